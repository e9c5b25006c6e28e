"""The commands that make a point."""

import os
import shlex
from typing import List, Optional, Sequence

from ..pruning.choice import Calibration
from ..user_dir import is_this_package, user_dir_in
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
    dense = Point(point.seed, "dense")
    return best_checkpoint(grid, dense, os.path.join(out, dense.folder))


def best_checkpoint(grid: Grid, point: Point, folder: str) -> str:
    """The best checkpoint of a training in ``folder``, or the last where it keeps no best one."""
    options = grid.train["all"] + grid.train[point.kind]
    best = not {"--no-best-checkpoints", "--disable-validation"}.intersection(options)
    return os.path.join(folder, f"checkpoint_{'best' if best else 'last'}.pt")


def mask_file(point: Point, out: str) -> str:
    """Where the mask of a training that is sparse from the start is taken from."""
    return os.path.join(out, point.folder, "mask.pt")


def prunes_first(grid: Grid, point: Point) -> bool:
    """Whether a retraining prunes to what ``point`` asks for before its first update."""
    words = grid.train["all"] + grid.train[point.kind]
    at_once = _value(words, "--prune-schedule") in (None, "one-shot")
    return at_once and _value(words, "--prune-begin") in (None, "0")


def prune_command(grid: Grid, point: Point, out: str, to: str) -> List[str]:
    """What writes the dense checkpoint pruned."""
    return [
        "fairseq-prune", "prune", dense_checkpoint(grid, point, out), to,
        *request(grid, point, "--"), *_data(grid, point), *_plugin(grid),
    ]  # fmt: skip


def _data(grid: Grid, point: Point) -> List[str]:
    """What ``fairseq-prune prune`` is told besides."""
    if not point.choice(grid.calibration).needs_data:
        return []
    return ["--data", grid.data]


def _value(words: Sequence[str], option: str) -> Optional[str]:
    """What ``option`` is given as among ``words``, the last time; None if it is not."""
    last = None
    for word, following in zip(words, [*words[1:], None]):
        name, equals, value = word.partition("=")
        if name == option:
            last = value if equals else following
    return last


def _plugin(grid: Grid) -> List[str]:
    """The trainings' plugin of the user's own, where scheme and score may be from."""
    folder = user_dir_in(grid.train["all"])
    return [] if folder is None or is_this_package(folder) else ["--user-dir", folder]


def request(grid: Grid, point: Point, flags: str) -> List[str]:
    """The options that say what to prune, their names beginning with ``flags``."""
    choice = point.choice(grid.calibration)
    words = [f"{flags}scheme", choice.scheme, f"{flags}sparsity", repr(point.sparsity)]
    for name in point.asked():
        words += [flags + name.replace("_", "-"), str(getattr(point, name))]
    if choice.needs_data:
        for name, usual in Calibration()._asdict().items():
            value = getattr(choice.calibration, name)
            if value != usual and name not in point.asked():
                words += [flags + name, str(value)]
    for name, patterns in (("include", grid.include), ("exclude", grid.exclude)):
        words += [word for pattern in patterns for word in (f"{flags}{name}", pattern)]
    return words


def training_command(grid: Grid, point: Point, out: str) -> List[str]:
    """The training of a point whose kind has one."""
    folder = os.path.join(out, point.folder)
    options = [*grid.train["all"], *grid.train[point.kind], "--log-format", "json"]
    seed = point.seed + (NEW_WEIGHTS if point.kind == "from-start" else 0)
    train = [*grid.command, grid.data, *options, "--seed", str(seed)]
    dense = dense_checkpoint(grid, point, out)
    if point.kind == "iterative":
        # else each round's training looks at its own
        data = _data(grid, point) if _value(grid.iterate, "--rewind") == "weights" else []
        return [
            "fairseq-prune", "iterate", "--from", dense, "--out", folder,
            *request(grid, point, "--"), *data, *grid.iterate, "--", *train,
        ]  # fmt: skip
    train += ["--save-dir", folder]
    if point.kind == "retrained":
        train += ["--finetune-from-model", dense, *request(grid, point, "--prune-")]
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
