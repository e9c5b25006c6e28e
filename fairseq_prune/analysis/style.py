"""The look of all figures: colours of Okabe and Ito (2008), one style."""

import contextlib
from typing import Any

import matplotlib

from ..checkpoints.whole_file import whole_file

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402  (after the choice of backend)

from ..pruning import printable  # noqa: E402

#: Told apart with any colour vision; black last.
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000",
)  # fmt: skip
#: A second means of telling lines apart.
DASHES = ("-", "--", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@contextlib.contextmanager
def style():
    """Figures drawn within look alike."""
    with plt.rc_context(
        {
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "legend.frameon": False,
            "figure.dpi": 150,
            "svg.fonttype": "none",
            "svg.hashsalt": "fairseq_prune",
        }
    ):
        yield


def drawable(content: Any) -> Any:
    """``content``, its texts such that they are drawn as they are and not as formulas."""
    if isinstance(content, str):
        return printable(content).replace("$", r"\$")
    if isinstance(content, dict):
        return {drawable(key): drawable(value) for key, value in content.items()}
    return [drawable(item) for item in content] if isinstance(content, list) else content


def save(figure, path: str) -> None:
    """Write ``path``.png and ``path``.svg, and close the figure."""
    # "tight" would draw it once more for each file to find out
    box = figure.get_tightbbox(figure.canvas.get_renderer()).padded(
        plt.rcParams["savefig.pad_inches"]
    )
    for kind in ("png", "svg"):
        with whole_file(f"{path}.{kind}") as f:
            figure.savefig(f, format=kind, bbox_inches=box)
    plt.close(figure)
