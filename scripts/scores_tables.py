"""What docs/scores.md shows of grids of scores that are not retrained: perplexity over that of the
dense model, as tables, and as a figure.

    python scripts/scores_tables.py RESULTS... --figure FIGURE

RESULTS are results.jsonl of configs/experiments/scores*.yaml. Means of all seeds, with the standard
deviation where there are several. FIGURE.png gets the scores that keep rows, and look at as many
sentences, as is usual for them.
"""

import argparse
import json
import re
from typing import Any, Dict, List, Tuple

from fairseq_prune.cli.mistakes import mistakes_in_a_sentence
from fairseq_prune.cli.quiet import quiet_imports, quiet_libraries

with quiet_imports():
    from fairseq_prune.experiments.points import STEPS
    from fairseq_prune.experiments.summary import summarise
    from fairseq_prune.pruning import SCHEMES, PruneError, table

#: Those that are drawn; more would not be told apart.
DRAWN = ("magnitude", "lamp", "kron", "taylor", "fisher", "obs", "adam")


def over_dense(records: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """``records`` of pruned models, their perplexity divided by that of their seed's dense one."""
    dense: Dict[int, float] = {}
    for record in records:
        if record["kind"] == "dense":
            perplexity = dense.setdefault(record["seed"], record["perplexity"])
            if perplexity != record["perplexity"]:
                raise PruneError(
                    f"there are two dense models of seed {record['seed']} among the results; give "
                    f"one grid's"
                )
    missing = {r["seed"] for r in records} - set(dense)
    if missing:
        raise PruneError(f"there is no dense model of seed {min(missing)} among the results")
    return [
        {**r, "perplexity": r["perplexity"] / dense[r["seed"]]}
        for r in records
        if r["kind"] == "pruned"
    ]


def rows_of(records: List[Dict[str, Any]], scheme: str) -> List[List[str]]:
    """A table: a row for each score, steps and floors, a column for each sparsity."""
    rows = [row for row in summarise(records) if row["scheme"].split(", ")[0] == scheme]
    sparsities = sorted({row["sparsity"] for row in rows})
    cells: Dict[str, Dict[float, str]] = {}
    for row in rows:
        name = row["scheme"].partition(", by ")[2] or "magnitude"
        mean, deviation = row["perplexity"]["mean"], row["perplexity"]["deviation"]
        spread = "" if deviation is None else f" ± {_two_digits(deviation)}"
        cells.setdefault(name, {})[row["sparsity"]] = _said(mean) + spread
    scores = [re.split("[:,]", name)[0] for name in cells]

    def place(name: str) -> Tuple[int, int]:
        """With others of its score, and after those of fewer steps."""
        return scores.index(re.split("[:,]", name)[0]), int(*STEPS.findall(name) or [1])

    head = [scheme, *(f"{100 * sparsity:g}%" for sparsity in sparsities)]
    names = sorted(cells, key=place)
    return [head, *([name, *(cells[name].get(s, "") for s in sparsities)] for name in names)]


def _said(number: float) -> str:
    """Three digits, and as many as there are before the point up to a million."""
    if number >= 999999.5:
        return f"{number:.2g}"
    return f"{number:,.0f}" if number >= 999.5 else f"{number:#.3g}".rstrip(".")


def _two_digits(number: float) -> str:
    said = f"{number:.2g}"
    return said if number < 99.5 else _said(float(said))


def _record(path: str, line: str) -> Dict[str, Any]:
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError) as error:
        raise PruneError(f"{path} is no results.jsonl of a grid: {line[:40]!r}") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", metavar="RESULTS", nargs="+", help="results.jsonl of a grid")
    parser.add_argument("--figure", metavar="FIGURE", help="where to draw, without .png")
    args = parser.parse_args()
    quiet_libraries()
    records: List[Dict[str, Any]] = []
    for path in args.results:
        with open(path, encoding="utf-8") as f:
            records += [_record(path, line) for line in f]
    for scheme in SCHEMES:
        rows = rows_of(over_dense(records), scheme)
        if rows[1:]:
            print("\n".join([*table(rows), ""]))
    if args.figure:
        # here, so that what it says of itself is not heard
        from fairseq_prune.analysis.style import save, style
        from fairseq_prune.experiments import figures

        usual = [
            r
            for r in records
            if r["kind"] == "dense"
            or (r.get("score") in DRAWN and r.get("row_floor") is None and "samples" not in r)
        ]
        # a colour for each score, in whatever order results are
        usual.sort(key=lambda r: DRAWN.index(r["score"]) if "score" in r else -1)
        with style():
            names = {"valid": records[0]["evaluate"]["valid"], "test": ""}
            save(figures.schemes(summarise(usual), names), args.figure)


if __name__ == "__main__":
    with mistakes_in_a_sentence("scores_tables", OSError):
        main()
