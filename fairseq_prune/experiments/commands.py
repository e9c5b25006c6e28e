"""The commands that make a point."""

import os
import shlex
from typing import List

from .grid import Grid
from .points import Point

#: Added to the seed of trainings that are sparse from the start. With the seed of the dense
#: model they would start from that model's own initial weights: the "lottery ticket" of
#: Frankle and Carbin 2019, not the "completely new models" of See et al. 2016, section 4.3.
NEW_WEIGHTS = 1000


def dense_checkpoint(grid: Grid, point: Point, out: str) -> str:
    """The checkpoint that ``point`` prunes."""
    if grid.dense is not None:
        return grid.dense.format(seed=point.seed)
    return best_checkpoint(os.path.join(out, Point(point.seed, "dense").folder))


def best_checkpoint(folder: str) -> str:
    """The best checkpoint of a training, or the last where it keeps no best one."""
    best = os.path.join(folder, "checkpoint_best.pt")
    return best if os.path.exists(best) else os.path.join(folder, "checkpoint_last.pt")


def mask_file(point: Point, out: str) -> str:
    """Where the mask of a training that is sparse from the start is taken from."""
    return os.path.join(out, point.folder, "mask.pt")


def prune_command(grid: Grid, point: Point, out: str, to: str) -> List[str]:
    """What writes the dense checkpoint pruned."""
    return [
        "fairseq-prune", "prune", dense_checkpoint(grid, point, out), to,
        "--scheme", point.scheme, "--sparsity", f"{point.sparsity:g}",
    ]  # fmt: skip


def training_command(grid: Grid, point: Point, out: str) -> List[str]:
    """The training of a point whose kind has one."""
    folder = os.path.join(out, point.folder)
    options = [*grid.train["all"], *grid.train[point.kind], "--log-format", "json"]
    seed = point.seed + (NEW_WEIGHTS if point.kind == "from-start" else 0)
    train = [*grid.command, grid.data, *options, "--seed", str(seed)]
    request = ["--scheme", point.scheme, "--sparsity", f"{point.sparsity:g}"]
    dense = dense_checkpoint(grid, point, out)
    if point.kind == "iterative":
        return [
            "fairseq-prune", "iterate", "--from", dense, "--out", folder, *request,
            *grid.iterate, "--", *train,
        ]  # fmt: skip
    train += ["--save-dir", folder]
    if point.kind == "retrained":
        train += ["--finetune-from-model", dense]
        train += ["--prune-scheme", point.scheme, "--prune-sparsity", f"{point.sparsity:g}"]
    elif point.kind == "from-start":
        train += ["--prune-mask-from", mask_file(point, out)]
    return train


def shown(grid: Grid, point: Point, out: str) -> str:
    """The commands of ``point`` as a person would type them; "" for a dense model that is given.

    Pruned points are made without them, in the grid's own process.
    """
    commands = []
    if point.kind == "pruned":
        commands.append(prune_command(grid, point, out, "PRUNED.pt"))
    if point.kind == "from-start":
        commands.append(prune_command(grid, point, out, mask_file(point, out)))
    if point.kind in ("retrained", "from-start", "iterative") or (
        point.kind == "dense" and grid.dense is None
    ):
        commands.append(training_command(grid, point, out))
    return " && ".join(" ".join(map(shlex.quote, command)) for command in commands)
