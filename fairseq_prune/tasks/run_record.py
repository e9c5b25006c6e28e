"""What a pruning run writes of itself beside its mask, to be the same run when it resumes."""

import os
from typing import Any, Dict, Optional

from ..pruning import PruneError, Schedule, empty_record, make_schedule
from .options import schedule_options
from .start import continues_itself


def begin(cfg, prior: Optional[Dict[str, Any]], sparsity: float, update: int) -> Dict[str, Any]:
    """The record of a run that begins after ``update`` updates.

    Args:
        cfg: config of the task.
        prior: record of the mask to begin with, or None; its sparsity is ``sparsity``.
    Raises:
        PruneError: the run would end before it is pruned.
    """
    record = dict(prior or empty_record(cfg.prune_scheme))
    run = {"mask_from": _path(cfg.prune_mask_from), "start": update, "prunes": 0}
    if cfg.prune_mask_from is None:
        run.update(_asked(cfg))
        run["initial"] = sparsity
        # below any: the first step prunes, be it to what is pruned already; but the first of
        # a gradual schedule is where it starts
        run["reached"] = sparsity if cfg.prune_schedule == "gradual" else -1.0
        _check_length(schedule_of({"run": run}), cfg.max_update, update)
    record["run"] = run
    return record


def schedule_of(record: Dict[str, Any]) -> Schedule:
    """The schedule of the run; without steps if its mask is taken from elsewhere."""
    run = record["run"]
    if run["mask_from"] is not None:
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
    was = record.get("run", {"mask_from": None})
    asked = {"mask_from": _path(cfg.prune_mask_from)}
    if cfg.prune_mask_from is None:
        asked.update(_asked(cfg))
    for key, value in asked.items():
        if key in was and was[key] == value:
            continue
        if not continues_itself(cfg):
            return False
        done = f"--prune-{key.replace('_', '-')} {was[key]}" if was.get(key) else "another request"
        raise PruneError(
            f"--prune-{key.replace('_', '-')} {value}: the checkpoint this run continues was "
            f"pruned with {done}; ask for the same, or start anew with --finetune-from-model "
            f"and another --save-dir"
        )
    return True


def _path(path: Optional[str]) -> Optional[str]:
    return path and os.path.abspath(path)


def _asked(cfg) -> Dict[str, Any]:
    names = ("scheme", "sparsity", "include", "exclude", "schedule", *schedule_options(cfg))
    return {name: getattr(cfg, f"prune_{name}") for name in names}


def _check_length(schedule: Schedule, max_update: int, update: int) -> None:
    last = update + schedule[-1].update
    if max_update and last >= max_update:
        raise PruneError(
            f"--max-update {max_update} ends the run before update {last + 1}, where the schedule "
            f"reaches --prune-sparsity; give a larger one, or a shorter schedule"
        )
