"""The README's figure: BLEU against the size of the file, of the first table of docs/results.md.

python scripts/results_figure.py docs/figures/compressed
"""

import argparse
import re
from pathlib import Path
from typing import Dict, List, NamedTuple

from fairseq_prune.cli.quiet import quiet_libraries

#: What that table begins with.
HEAD = "| | seed 1 |"
RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results.md"


class Row(NamedTuple):
    name: str  # dense, or the sparsity
    values: str  # how they are stored
    bleu: List[float]  # of each seed
    megabytes: float


def rows_of(page: str) -> List[Row]:
    """Those of dense and pruned models in the table that has seeds for columns."""
    lines = page.split(HEAD)[1].split("\n\n")[0].splitlines()
    head = [cell.strip() for cell in (HEAD + lines[0]).split("|")]
    found = []
    for line in lines[2:]:
        cells = dict(zip(head, (cell.strip() for cell in line.split("|"))))
        # the first column has no name, as what is before the first bar
        what = re.fullmatch(r"(dense|\d+%)(?:, (int8))?", line.split("|")[1].strip())
        if what:
            bleu = [float(cells[f"seed {seed}"].split()[0]) for seed in (1, 2, 3)]
            size = float(re.sub(r"[*]| MB", "", cells["file"]))
            found.append(Row(what.group(1), what.group(2) or "fp32", bleu, size))
    return found


def draw(rows: List[Row], path: str) -> None:
    from fairseq_prune.analysis.style import COLOURS, MARKERS, plt, save, style

    with style():
        figure, axes = plt.subplots(figsize=(5.4, 2.9), layout="constrained")
        kinds: Dict[str, List[Row]] = {}
        for row in sorted(rows, key=lambda row: row.megabytes):
            kinds.setdefault(row.values, []).append(row)
        for (values, those), colour, marker in zip(sorted(kinds.items()), COLOURS, MARKERS):
            means = [sum(row.bleu) / len(row.bleu) for row in those]
            sizes = [row.megabytes for row in those]
            axes.plot(sizes, means, color=colour, alpha=0.5, linewidth=1)
            for k, row in enumerate(those):
                axes.plot(
                    [row.megabytes] * len(row.bleu), row.bleu, marker, color=colour,
                    markersize=3.5, label=values if k == 0 else None,
                )  # fmt: skip
                above = values != "fp32"
                axes.annotate(
                    row.name, (row.megabytes, (max if above else min)(row.bleu)),
                    xytext=(0, 7 if above else -13), textcoords="offset points", ha="center",
                    color=colour,
                )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks([1, 2, 5, 10, 20], [f"{size} MB" for size in (1, 2, 5, 10, 20)])
        axes.minorticks_off()
        axes.margins(y=0.15)
        axes.set_xlabel("size of the file")
        axes.set_ylabel("BLEU")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
        figure.draw_without_rendering()  # which lays it out
        save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figure", help="FIGURE.png and FIGURE.svg are written")
    args = parser.parse_args()
    quiet_libraries()
    draw(rows_of(RESULTS.read_text(encoding="utf-8")), args.figure)


if __name__ == "__main__":
    main()
