"""Averaging checkpoints, as fairseq's ``scripts/average_checkpoints.py``, keeping the mask."""

from typing import Any, Dict, Sequence

import torch

from ..parameters.kinds import without_copies
from ..pruning import RECORD_KEY, PruneError, apply_, masks_of
from .reading import read_checkpoint
from .weights import aliases_in, find_record
from .writing import check_writable, scratch_tensor, write_checkpoint


def average_checkpoints(sources: Sequence[str], target: str) -> None:
    """Write the mean of the models in ``sources`` to ``target``.

    Floating-point entries are averaged in float64, others taken from the last. Settings
    and dictionaries are those of the last too. The optimizer's state is left out, as is an
    average that ``--store-ema`` kept.

    Raises:
        PruneError: models or masks differ, or a file cannot be read or written.
    """
    check_writable(target)
    states = [read_checkpoint(path) for path in sources]
    for state in states:  # some files have the copies that fairseq makes on loading, others not
        state["model"] = without_copies(state["model"])
    aliases = [aliases_in(state, path) for state, path in zip(states, sources)][-1]
    last = states[-1]
    record = find_record(last)
    for path, state in zip(sources, states):
        _check_same_model(path, state["model"], sources[-1], last["model"])
        if not same_masks(find_record(state), record):
            raise PruneError(
                f"{path} and {sources[-1]} have different masks, whose mean would be denser than "
                f"either; average checkpoints of one run after its last pruning"
            )
    with torch.no_grad():
        mean: Dict[str, Any] = {}
        first = {other: name for name, others in aliases.items() for other in others}
        for name, tensor in last["model"].items():
            mean[name] = mean.get(first.get(name, name), tensor)
            if name in first:
                continue
            if torch.is_tensor(tensor) and tensor.is_floating_point():
                total = sum(state["model"][name].double() for state in states)
                mean[name] = scratch_tensor(tensor, beside=target).copy_(total / len(states))
        if record is not None:
            for name, mask in masks_of(record, mean).items():
                apply_(mean[name], mask)
            last[RECORD_KEY] = record
        last["model"] = mean
        last.pop("last_optimizer_state", None)
        for key in ("best", "ema", "ema_fp32_params"):
            (last.get("extra_state") or {}).pop(key, None)
        write_checkpoint(last, target)


def same_masks(a, b) -> bool:
    """Whether two records (or None) have the same masks."""
    a, b = ((record or {}).get("masks", {}) for record in (a, b))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def _check_same_model(path, model, other_path, other) -> None:
    for name in [*model, *other]:
        shapes = [getattr(m.get(name), "shape", None) for m in (model, other)]
        if name not in model or name not in other or shapes[0] != shapes[1]:
            raise PruneError(
                f"{path} and {other_path} hold different models: {name} is not the same in both"
            )
