"""Writing what a grid showed: the page, its figures, and their numbers."""

import json
import os
from typing import Any, Dict, List

from ..checkpoints.writing import write_text
from ..pruning import PruneError
from .grid import Grid
from .page import page
from .summary import summarise


def check_drawing() -> None:
    """Raise PruneError, before hours of training, unless figures can be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise PruneError("grid draws with matplotlib: pip install matplotlib") from error


def show(records: List[Dict[str, Any]], grid: Grid, out: str) -> List[str]:
    """Write grid.html, grid.json and the figures into ``out``; the figures' names.

    Args:
        records: as in results.jsonl, one or more.
    """
    from ..analysis.style import drawable, save, style
    from . import figures

    rows = summarise(records)
    names = drawable({key: grid.evaluate[key] for key in ("valid", "test")})
    shown = drawable(rows)
    with style():
        drawn = {
            "schemes": figures.schemes(shown, names),
            "ways": figures.kinds(shown, names),
            "losses": figures.losses(drawable(records)),
        }
        drawn = {name: figure for name, figure in drawn.items() if figure is not None}
        for name, figure in drawn.items():
            save(figure, os.path.join(out, name))
    about = {
        "data": grid.data,
        "signature": records[-1]["signature"],
        "versions": records[-1]["versions"],
    }
    write_text(os.path.join(out, "grid.json"), json.dumps({**about, "rows": rows}, indent=1))
    write_text(os.path.join(out, "grid.html"), page(rows, about, out, list(drawn)))
    return list(drawn)


def track(project: str, out: str, figures: List[str]) -> None:
    """Send the figures and the table to a W&B run of ``project``."""
    try:
        import wandb
    except ImportError as error:
        raise PruneError("--wandb-project needs wandb: pip install wandb") from error
    with open(os.path.join(out, "grid.json"), encoding="utf-8") as f:
        rows = json.load(f)["rows"]
    columns: List[Any] = ["kind", "scheme", "sparsity", "seeds", "bleu", "perplexity"]
    table = wandb.Table(columns=columns)
    for row in rows:
        means = [row[metric] and row[metric]["mean"] for metric in columns[4:]]
        table.add_data(*(row[name] for name in columns[:4]), *means)
    name = os.path.basename(os.path.abspath(out))
    try:
        with wandb.init(project=project, job_type="grid", name=name) as run:
            pictures = {name: wandb.Image(os.path.join(out, f"{name}.png")) for name in figures}
            run.log({**pictures, "results": table})
    except wandb.Error as error:
        raise PruneError(
            f"--wandb-project {project}: {error}; the results are in {out}, and the same command "
            f"sends them again"
        ) from error
