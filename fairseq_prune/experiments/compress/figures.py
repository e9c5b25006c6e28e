"""Figures of the card."""

from typing import Any, Dict, List

from ...analysis.style import COLOURS, DASHES, MARKERS, plt


def rounds(history: List[Dict[str, Any]], dense: float):
    """Validation loss by updates, one round after another; None where none was logged.

    Args:
        history: "sparsity" and "validations" of each round.
        dense: loss of the dense model.
    """
    if not any(r["validations"] for r in history):
        return None
    figure, ax = plt.subplots(figsize=(7, 3.2))
    start = 0
    for k, r in enumerate(history):
        if not r["validations"]:
            continue
        places = [start + v["updates"] for v in r["validations"]]
        ax.plot(
            places, [v["loss"] for v in r["validations"]], color=COLOURS[k % 7],
            linestyle=DASHES[k // 7 % 3], marker=MARKERS[k % 8], markersize=3,
            label=f"{100 * r['sparsity']:.4g}%",
        )  # fmt: skip
        start = places[-1]
    ax.axhline(dense, color=COLOURS[-1], linewidth=0.8, linestyle=":", label="dense")
    ax.set_xlabel("updates")
    ax.set_ylabel("validation loss (bits a token)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="pruned")
    return figure
