"""What a pruning run writes of itself beside its mask, to be the same run when it resumes."""

import os
from typing import Any, Dict, Optional

from ..pruning import PruneError, Schedule, empty_record, make_schedule
from ..pruning.choice import Calibration
from .asked import chooses_masks, is_asked, pattern, schedule_options
from .options import OPTIONS, PATTERNS, flag
from .start import continues_itself

#: Options that the first records do not name, and their defaults.
_LATER = ("score", "floor", "row_floor", *Calibration._fields, "steps")
NEWER = {
    name[len("prune_") :]: default
    for name, _, default, _ in OPTIONS
    if name[len("prune_") :] in _LATER
}


def begin(cfg, previous: Optional[Dict[str, Any]], sparsity: float, update: int) -> Dict[str, Any]:
    """The record of a run that begins after ``update`` updates.

    Args:
        cfg: config of the task.
        previous: record of the mask to begin with, or None; its sparsity is ``sparsity``. It is
            kept as it is if ``cfg`` asks for no pruning.
    Raises:
        PruneError: the run would end before it is pruned.
    """
    record = dict(previous or empty_record(cfg.prune_scheme, cfg.prune_score))
    mask_from = _path(cfg.prune_mask_from)
    run: Dict[str, Any] = {"mask_from": mask_from, "start": update, "prunes": 0}
    if chooses_masks(cfg):
        run.update(_asked(cfg))
        run["initial"] = sparsity
        # below any: the first step prunes, be it to what is pruned already; but the first of
        # a gradual schedule is where it starts
        run["reached"] = sparsity if cfg.prune_schedule == "gradual" else -1.0
        _check_length(schedule_of({"run": run}), cfg.max_update, update)
    record["run"] = run
    return record


def schedule_of(record: Dict[str, Any]) -> Schedule:
    """The schedule of the run; without steps if it was given its mask."""
    run = record["run"]
    if "schedule" not in run:
        return ()
    return make_schedule(run["schedule"], run["sparsity"], run, initial=run["initial"])


def is_short(record: Dict[str, Any]) -> bool:
    """Whether the run has not reached its target yet."""
    steps = schedule_of(record)
    return bool(steps) and record["run"]["reached"] < steps[-1].sparsity


def is_continued(cfg, record: Dict[str, Any]) -> bool:
    """Whether the checkpoint is of this very run; if not, it is where a new one starts.

    Raises:
        PruneError: it lies in the run's own folder, but was asked for something else.
    """
    if not is_asked(cfg):
        # on the way to its target it goes no further, and has no best model yet
        return not is_short(record)
    was = record.get("run", {"mask_from": None})
    asked = {"mask_from": _path(cfg.prune_mask_from)}
    if chooses_masks(cfg):
        asked.update(_asked(cfg))
    for key, value in asked.items():
        # options that there were not yet were as they are by default now
        if (key in was or key in NEWER) and was.get(key, NEWER.get(key)) == value:
            continue
        if not continues_itself(cfg):
            return False
        option = flag(f"prune_{key}")
        done = f"{option} {was[key]}" if was.get(key) else f"no {option}"
        raise PruneError(
            f"{option} {value}: the checkpoint this run continues was made with {done}; "
            f"ask for the same, or start anew with --finetune-from-model and another --save-dir"
        )
    return True


def _path(path: Optional[str]) -> Optional[str]:
    return path and os.path.abspath(path)


def _asked(cfg) -> Dict[str, Any]:
    names = ("scheme", "sparsity", *NEWER, "include", "exclude", "schedule")
    names += tuple(schedule_options(cfg))
    asked = {name: getattr(cfg, f"prune_{name}") for name in names}
    return {**asked, **{name[len("prune_") :]: pattern(cfg, name) for name in PATTERNS}}


def _check_length(schedule: Schedule, max_update: int, update: int) -> None:
    last = update + schedule[-1].update
    if max_update and last >= max_update:
        raise PruneError(
            f"--max-update {max_update} ends the run before update {last + 1}, where the schedule "
            f"reaches --prune-sparsity; give a larger one, or a shorter schedule"
        )
