"""Slimmed checkpoints, as people publish them: a model and its configuration, no more."""

from typing import Any


def completed(state: Any) -> Any:
    """A checkpoint with nothing in the place of what fairseq asks for and a slimmed one lacks.

    In place. What was written before fairseq kept these stays as it is: fairseq brings it up to
    date itself.
    """
    old = ("best_loss", "epoch")
    if not isinstance(state, dict) or "model" not in state or any(key in state for key in old):
        return state
    if not state.get("optimizer_history"):
        state["optimizer_history"] = [
            {
                "criterion_name": None,
                "optimizer_name": None,
                "lr_scheduler_state": {},
                "num_updates": 0,
            }
        ]
    if not state.get("extra_state"):
        # as of a run that begins
        state["extra_state"] = {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}}
    if state.get("task_state", {}) is None:
        del state["task_state"]
    return state
