"""The study's two kinds of figures: accuracy by sparsity, and what is left of each block."""

# ruff: noqa: E402  (imports after what must come before them)
import logging
from pathlib import Path

# fairseq, which comes with fairseq_prune, turns on the debug messages of all packages
logging.getLogger("matplotlib").setLevel(logging.WARNING)

import matplotlib

matplotlib.use("Agg")

from cells import GATES
from matplotlib import pyplot as plt
from summary import NAMES, Summary, deviation, mean, percent

#: Okabe and Ito (2008): told apart with any colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#D9D9D9"
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 105,
    "savefig.bbox": "tight",
}


def draw(s: Summary, out: Path) -> None:
    """Write curves.png and, where anything is pruned, blocks.png into ``out``."""
    with plt.rc_context(STYLE):
        curves(s).savefig(out / "curves.png")
        if s.blocks_at():
            blocks(s).savefig(out / "blocks.png")
        plt.close("all")


def curves(s: Summary):
    """Accuracy by sparsity, a column for each cell; below, the upper end of what is retrained."""
    cells = [cell for cell in NAMES if any(net.cell == cell for net in s.nets)]
    figure, grid = plt.subplots(
        2, len(cells), figsize=(3.3 * len(cells), 5), sharex=True, sharey="row", squeeze=False
    )
    for cell, column in zip(cells, grid.T):
        for k, net in enumerate(net for net in s.nets if net.cell == cell):
            for way, line, fill in (("pruned", ":", "none"), ("retrained", "-", "full")):
                points = [(0.0, s.dense(net))]
                points += [(x, s.accuracy(net, way, x)) for x in s.sparsities(way) if x > 0]
                for axes in column if way == "retrained" else column[:1]:
                    axes.errorbar(
                        [1 - x for x, _ in points],
                        [mean(values) for _, values in points],
                        [deviation(values) for _, values in points],
                        color=COLOURS[k % len(COLOURS)], marker=MARKERS[k % len(MARKERS)],
                        linestyle=line, fillstyle=fill, markersize=4, linewidth=1.2, capsize=2,
                        label=f"{net.layers} layer{'s' * (net.layers > 1)}, {way}",
                    )  # fmt: skip
        column[0].set_title(NAMES[cell], loc="left")
        column[1].set_xlabel("sparsity")
    least = min([0.1, *(1 - x for way in ("pruned", "retrained") for x in s.sparsities(way))])
    # by what is kept: half of it from one tick to the next is as far at 99% as at 50%
    grid[0, 0].set_xscale("log")
    grid[0, 0].set_xlim(1.15, least / 1.15)
    ticks = [x for x in (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999) if 1 - x > least / 1.1]
    grid[0, 0].set_xticks([1 - x for x in ticks], map(percent, ticks))
    grid[0, 0].minorticks_off()
    grid[0, 0].set_ylim(0, 101)
    # a fifth of the whole, or all that is needed to see each dense network
    grid[1, 0].set_ylim(10 * (min([80, *(mean(s.dense(net)) for net in s.nets)]) // 10), 100)
    for axes in grid[:, 0]:
        axes.set_ylabel("test accuracy (%)")
    handles = max((axes.get_legend_handles_labels() for axes in grid[0]), key=lambda x: len(x[1]))
    figure.legend(*handles, ncol=4, loc="lower center", bbox_to_anchor=(0.5, -0.07))
    return figure


def blocks(s: Summary):
    """What is left of each block, a column for each cell, of the networks of fewest layers."""
    way, sparsity = s.blocks_at()
    nets = [net for net in s.nets if net.layers == s.layers[0]]
    widths = [0.6 + len(s.shares(net, way, sparsity, ("layer", "gate"))) for net in nets]
    figure, row = plt.subplots(
        1, len(nets), figsize=(max(5, 0.95 * sum(widths)), 2.8), sharey=True, squeeze=False,
        gridspec_kw={"width_ratios": widths, "wspace": 0.12},
    )  # fmt: skip
    for net, axes in zip(nets, row[0]):
        _bars(axes, s.shares(net, way, sparsity), GATES[net.cell], s.layers[0] > 1)
        axes.set_title(NAMES[net.cell], loc="left")
    row[0, 0].set_ylabel(f"weights (%), {way} at {percent(sparsity)}")
    handles = row[0, 0].get_legend_handles_labels()
    figure.legend(*handles, ncol=3, loc="lower center", bbox_to_anchor=(0.5, -0.16))
    return figure


def _bars(axes, shares, gates, say_layer: bool) -> None:
    """Two bars for each gate: of the weights of either block, what remains and what is pruned."""
    names = []
    for k, (layer, gate) in enumerate({key[:2]: None for key in shares}):
        for side, shift, colour in (("input", -0.21, COLOURS[1]), ("hidden", 0.21, COLOURS[0])):
            gone = shares[layer, gate, side]
            left, place = 100 - mean(gone), k + shift
            label = f"{side}-to-hidden, remaining" if k == 0 else None
            axes.bar(place, left, 0.38, color=colour, label=label)
            label = "pruned" if k == 0 and side == "hidden" else None
            axes.bar(place, 100 - left, 0.38, bottom=left, color=GREY, label=label)
            axes.errorbar(place, left, deviation(gone), color="black", capsize=2, linewidth=1)
            top = left + deviation(gone) + 1
            axes.text(place, top, f"{left:.1f}", ha="center", va="bottom", fontsize=7)
        names.append("\n".join([gate, gates[gate], f"layer {layer}" * say_layer]).rstrip())
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.6, len(names) - 0.4)
