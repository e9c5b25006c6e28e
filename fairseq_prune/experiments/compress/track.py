"""The card of a compressed model, in W&B."""

import os
from typing import Any, Dict

from ...pruning import PruneError


def check_tracking() -> None:
    """Raise PruneError, before hours of training, unless W&B can be used."""
    try:
        import wandb  # noqa: F401
    except ImportError as error:
        raise PruneError("--wandb-project needs wandb: pip install wandb") from error


def track(project: str, content: Dict[str, Any], out: str) -> None:
    """Send sizes, scores and figures to a W&B run of ``project``."""
    import wandb

    values = {f"bytes/{name}": size for name, size in content["sizes"].items()}
    values["sparsity"] = content["sparsity"]
    for name in ("dense", "packed"):
        values[f"{content['speeds']['unit']}_per_second/{name}"] = content["speeds"][name]
    for score in content["scores"]:
        for name in ("dense", "packed"):
            values[f"{score['subset']}/perplexity/{name}"] = score["perplexity"][name]
        for d in score["differences"]:
            place = f"{score['subset']}/{d['metric']}"
            values.update(
                {
                    f"{place}/dense": d["baseline"],
                    f"{place}/packed": d["system"],
                    f"{place}/p": d["p"],
                }
            )
    pictures = {
        name: os.path.join(out, f"{name}.png")
        for name in ("densities", "rounds")
        if os.path.exists(os.path.join(out, f"{name}.png"))
    }
    try:
        name = os.path.basename(os.path.abspath(out))
        with wandb.init(project=project, job_type="compress", name=name) as run:
            run.log({**values, **{n: wandb.Image(path) for n, path in pictures.items()}})
    except wandb.Error as error:
        raise PruneError(
            f"--wandb-project {project}: {error}; the results are in {out}, and the same command "
            f"sends them again"
        ) from error
