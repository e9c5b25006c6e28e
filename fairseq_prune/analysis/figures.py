"""The report's figures but Figure 8."""

from typing import Any, Dict, List, Optional

from .redundancy import GATE_NAMES
from .style import COLOURS, DASHES, MARKERS, plt


def densities(tables: Dict[str, Any]):
    """What is left of each class and, of LSTMs, gate and input (section 4.5)."""
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


def frequency(words: List[Dict[str, Any]]):
    """What is left of embeddings and softmax by the frequency of the word (section 4.5)."""
    figure, ax = plt.subplots(figsize=(6, 3.2))
    for k, row in enumerate(words):
        tenths = row["by_frequency"]
        ax.plot(
            range(1, len(tenths) + 1), [100 * density for density in tenths], color=COLOURS[k % 7],
            linestyle=DASHES[k % 3], marker=MARKERS[k % 8], markersize=4, label=row["class"],
        )  # fmt: skip
    ax.set_ylim(bottom=0)
    ax.set_xlabel("tenth of the dictionary, from the most frequent words to the rarest")
    ax.set_ylabel("weights kept (%)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def distributions(histograms: Dict[str, Any], sparsity: Optional[float]):
    """Scores by class, and the thresholds of the schemes in each."""
    classes = histograms["classes"]
    columns = min(3, len(classes))
    lines = -(-len(classes) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(10, 1.5 * lines + 0.9), sharex=True, squeeze=False
    )
    edges = histograms["edges"]
    for k, row in enumerate(classes):
        ax = axes[k // columns][k % columns]
        share = [100 * count / row["weights"] for count in row["counts"]]
        ax.stairs(share, edges, fill=True, color="#BBBBBB")
        for s, (scheme, thresholds) in enumerate(histograms["thresholds"].items()):
            ax.axvline(
                thresholds[row["class"]] or edges[0], color=COLOURS[s], linestyle=DASHES[s % 3],
                label=scheme,
            )  # fmt: skip
        ax.set_xscale("log")
        ax.set_title(f"{row['class']} ({row['weights']:,})", loc="left", fontsize=7)
    for k in range(len(classes), lines * columns):
        axes[k // columns][k % columns].set_visible(False)
        axes[k // columns - 1][k % columns].tick_params(labelbottom=True)
    of_size = histograms["score"] == "magnitude"
    label = "magnitude of a weight" if of_size else f"score of a weight by {histograms['score']}"
    figure.supxlabel(label, fontsize=9)
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
        " ".join(
            filter(None, (row["class"], row["part"], GATE_NAMES.get(row["gate"]), row["input"]))
        )
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
        increases = {row["class"]: row["increase"] for row in rows if row["scheme"] == scheme}
        places = [k + (s - (len(schemes) - 1) / 2) * width for k in range(len(classes))]
        heights = [max(increases[name] or 0.0, 0.0) for name in classes]
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
    rows = [
        row
        for row in rows
        if row["scheme"] == "class-uniform"
        and row["largest_pruned"]
        and row["increase"] is not None
    ]
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
