"""The figures of the report, in one style: matplotlib, colours of Okabe and Ito (2008)."""

import contextlib
from typing import Any, Dict, List, Optional, Tuple

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402  (after the choice of backend)

from .density_map import density_map  # noqa: E402
from .matrices import Matrix  # noqa: E402
from .redundancy import GATE_NAMES  # noqa: E402

#: Told apart with any colour vision; black last.
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000",
)  # fmt: skip
#: A second means of telling lines apart, where there are more lines than colours.
DASHES = ("-", "--", ":")
#: Cells of a density map along the longer side; more cannot be seen on a page.
CELLS = 1200


@contextlib.contextmanager
def style():
    """The look of all figures."""
    with plt.rc_context(
        {
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "legend.frameon": False,
            "figure.dpi": 150,
            "savefig.bbox": "tight",
            "svg.fonttype": "none",
            "svg.hashsalt": "fairseq_prune",
        }
    ):
        yield


def remaining(found: List[Matrix]):
    """Which weights remain (Figure 8): white kept, black pruned, grey in between.

    Matrices of words lie on their side, words from left to right by frequency, all drawn to
    one scale. So are the others, to another: each LSTM layer as the paper's T (section 3.2),
    a row of blocks for each gate, a column for each input.
    """
    lines = [[[m]] for m in found if m.words]
    lines += _fill_lines(_panels([m for m in found if not m.words]))
    scales = {True: 0.0, False: 0.0}  # weights an inch, for matrices of words and for others
    for line in lines:
        width = sum(_panel_size(panel)[1] for panel in line)
        height = max(_panel_size(panel)[0] for panel in line) / TALLEST
        room = WIDE - GAP * len(line)
        words = bool(line[0][0].words)
        scales[words] = max(scales[words], width / room, height)
    heights = [
        max(_panel_size(panel)[0] for panel in line) / scales[bool(line[0][0].words)] + SPACE
        for line in lines
    ]
    figure = plt.figure(figsize=(WIDE, sum(heights)))
    top = sum(heights)
    for line, height in zip(lines, heights):
        scale, left = scales[bool(line[0][0].words)], GAP
        for panel in line:
            rows, columns = (x / scale for x in _panel_size(panel))
            box = (left / WIDE, (top - SPACE / 2 - rows) / sum(heights))
            axes = figure.add_axes((*box, columns / WIDE, rows / sum(heights)))
            _draw(axes, panel)
            left += columns + GAP
        top -= height
    return figure


#: Inches: width of the figure, height of its tallest panel, room left of each panel, and
#: above and below each line together.
WIDE, TALLEST, GAP, SPACE = 10.0, 4.5, 0.8, 0.8


def _panels(found: List[Matrix]) -> List[List[Matrix]]:
    """Matrices drawn side by side as one: the two of an LSTM layer; others by themselves."""
    panels: List[List[Matrix]] = []
    for matrix in found:
        last = panels[-1][-1] if panels else None
        if (
            last is not None
            and last.subgroups
            and matrix.subgroups
            and last.weight_class == matrix.weight_class
            and last.keep.shape[0] == matrix.keep.shape[0]
            and len(panels[-1]) == 1
        ):
            panels[-1].append(matrix)
        else:
            panels.append([matrix])
    return panels


def _fill_lines(panels: List[List[Matrix]]) -> List[List[List[Matrix]]]:
    """Panels in lines of at most four, LSTM layers apart from the rest."""
    lines: List[List[List[Matrix]]] = []
    for panel in panels:
        last = lines[-1] if lines else None
        if last and len(last) < 4 and bool(last[0][0].subgroups) == bool(panel[0].subgroups):
            last.append(panel)
        else:
            lines.append([panel])
    return lines


def _panel_size(panel: List[Matrix]) -> Tuple[int, int]:
    """Rows and columns as drawn."""
    rows, columns = panel[0].keep.shape[0], sum(m.keep.shape[1] for m in panel)
    return (columns, rows) if panel[0].words else (rows, columns)


def _draw(axes, panel: List[Matrix]) -> None:
    first = panel[0]
    rows, columns = _panel_size(panel)
    scale = max(1.0, max(rows, columns) / CELLS)
    left = 0
    for matrix in panel:
        keep = matrix.keep.t() if matrix.words else matrix.keep
        cells = density_map(
            keep, max(1, round(keep.shape[0] / scale)), max(1, round(keep.shape[1] / scale))
        )
        axes.imshow(
            cells.numpy(), cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="none",
            extent=(left, left + keep.shape[1], rows, 0),
        )  # fmt: skip
        left += keep.shape[1]
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    kept, total = sum(int(m.keep.sum()) for m in panel), sum(m.keep.numel() for m in panel)
    title = f"{first.weight_class}: {100 * kept / total:.1f}% kept"
    axes.set_title(title, loc="left", fontsize=8)
    axes.tick_params(labelsize=6, length=2)
    if first.words:
        axes.set_xlabel("word, by frequency", fontsize=6, labelpad=1)
        axes.set_ylabel("unit", fontsize=6)
    elif first.subgroups:
        places = [(s.start + s.stop) / 2 for s in first.subgroups.values()]
        axes.set_yticks(places, [GATE_NAMES[gate] for gate, _ in first.subgroups])
        for rows_of_gate in list(first.subgroups.values())[1:]:
            axes.axhline(rows_of_gate.start, color=COLOURS[1], linewidth=0.6)
        edges = [0]
        for matrix in panel:
            edges.append(edges[-1] + matrix.keep.shape[1])
        for edge in edges[1:-1]:
            axes.axvline(edge, color=COLOURS[1], linewidth=0.6)
        inputs = [next(iter(m.subgroups))[1] for m in panel]
        axes.set_xticks([(a + b) / 2 for a, b in zip(edges, edges[1:])], inputs)


def densities(tables: Dict[str, Any]):
    """What is left of each class, gate and input (section 4.5)."""
    panels = [
        ("classes", "class", "weight class"),
        ("gates", "gate", "LSTM gate"),
        ("inputs", "input", "LSTM input"),
    ]
    panels = [panel for panel in panels if tables[panel[0]]]
    counts = [len(tables[key]) for key, _, _ in panels]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(10, 3.2), sharey=True, squeeze=False,
        gridspec_kw={"width_ratios": [max(2, count) for count in counts]},
    )  # fmt: skip
    for ax, (key, column, label) in zip(axes[0], panels):
        rows = tables[key]
        names = [GATE_NAMES.get(row[column], row[column]) for row in rows]
        ax.bar(names, [100 * row["density"] for row in rows], color=COLOURS[0])
        ax.set_xlabel(label)
        plt.setp(ax.get_xticklabels(), rotation=45, ha="right", rotation_mode="anchor")
    axes[0][0].set_ylabel("weights kept (%)")
    return figure


def distributions(found: Dict[str, Any], sparsity: Optional[float]):
    """Magnitudes by class, and the thresholds of the schemes in each."""
    classes = found["classes"]
    columns = min(3, len(classes))
    lines = -(-len(classes) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(10, 1.5 * lines + 0.9), sharex=True, squeeze=False
    )
    edges = found["edges"]
    for k, row in enumerate(classes):
        ax = axes[k // columns][k % columns]
        share = [100 * count / row["weights"] for count in row["counts"]]
        ax.stairs(share, edges, fill=True, color="#BBBBBB")
        for s, (scheme, thresholds) in enumerate(found["thresholds"].items()):
            ax.axvline(
                thresholds[row["class"]] or edges[0], color=COLOURS[s], linestyle=DASHES[s % 3],
                label=scheme,
            )  # fmt: skip
        ax.set_xscale("log")
        ax.set_title(f"{row['class']} ({row['weights']:,})", loc="left", fontsize=7)
    for k in range(len(classes), lines * columns):
        axes[k // columns][k % columns].set_visible(False)
        axes[k // columns - 1][k % columns].tick_params(labelbottom=True)
    figure.supxlabel("magnitude of a weight", fontsize=9)
    figure.supylabel("weights (%)", fontsize=9)
    if sparsity is not None:
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(
            handles, [f"{label}, {100 * sparsity:g}%" for label in labels], ncol=3,
            loc="lower center", bbox_to_anchor=(0.5, 1.0),
        )  # fmt: skip
    figure.tight_layout()
    return figure


def diagonal_effect(rows: List[Dict[str, Any]]):
    """Mean magnitude on the diagonals of square blocks, relative to off them."""
    rows = [row for row in rows if row["ratio"] is not None]
    figure, ax = plt.subplots(figsize=(10, 0.18 * len(rows) + 1))
    names = [
        " ".join(filter(None, (row["class"], GATE_NAMES.get(row["gate"]), row["input"])))
        or row["parameter"]
        for row in rows
    ]
    ax.barh(range(len(rows)), [row["ratio"] for row in rows], color=COLOURS[0])
    ax.axvline(1.0, color=COLOURS[-1], linewidth=0.8, linestyle="--")
    ax.set_yticks(range(len(rows)), names, fontsize=6)
    ax.invert_yaxis()
    ax.set_xlabel("mean magnitude on the diagonal / off it (1: no effect)")
    return figure


def breakdown(rows: List[Dict[str, Any]], sparsity: float):
    """Perplexity increase when each class is pruned alone, by scheme (Figure 4)."""
    classes = list(dict.fromkeys(row["class"] for row in rows))
    schemes = list(dict.fromkeys(row["scheme"] for row in rows))
    figure, ax = plt.subplots(figsize=(10, 3.5))
    width = 0.8 / len(schemes)
    for s, scheme in enumerate(schemes):
        found = {row["class"]: row["increase"] for row in rows if row["scheme"] == scheme}
        places = [k + (s - (len(schemes) - 1) / 2) * width for k in range(len(classes))]
        heights = [max(found[name], 0.0) for name in classes]
        ax.bar(places, heights, width, color=COLOURS[s], label=scheme)
    ax.set_yscale("symlog", linthresh=1.0)
    ax.set_ylim(bottom=0)
    ax.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_ylabel("perplexity increase")
    ax.set_xlabel(f"weight class, pruned alone as at {100 * sparsity:g}% of the model")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=len(schemes))
    return figure


def largest_deleted(rows: List[Dict[str, Any]]):
    """Largest deleted weight against perplexity increase, class-uniform (Figure 5)."""
    rows = [r for r in rows if r["scheme"] == "class-uniform" and r["largest_pruned"] is not None]
    figure, ax = plt.subplots(figsize=(6, 4))
    ax.scatter(
        [row["largest_pruned"] for row in rows], [row["increase"] for row in rows],
        color=COLOURS[0], s=18,
    )  # fmt: skip
    for row in rows:
        place = (row["largest_pruned"], row["increase"])
        ax.annotate(row["class"], place, xytext=(4, 3), textcoords="offset points", fontsize=7)
    ax.set_yscale("symlog", linthresh=1.0)
    ax.set_xlabel("magnitude of the largest deleted weight")
    ax.set_ylabel("perplexity increase")
    return figure
