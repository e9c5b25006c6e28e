"""Pruning a checkpoint file without training."""

from typing import Callable, Dict, Iterable, Mapping, Optional

import torch
from torch import Tensor

from ..parameters.weight_classes import fairseq_classes, renamed
from ..parameters.weight_norm import check_weight_norm
from ..pruning import (
    RECORD_KEY,
    Pruned,
    apply_,
    keep_thresholds,
    make_record,
    masks_of,
)
from .dictionaries import DICTIONARIES_KEY, find_dictionaries
from .reading import read_checkpoint
from .weights import aliases_in, find_record, prunable_weights
from .writing import check_writable, scratch_tensor, write_checkpoint

#: From weights, their classes and the masks before (or None) to a pruning.
Choose = Callable[[Mapping[str, Tensor], Dict[str, str], Optional[Mapping[str, Tensor]]], Pruned]


def prune_checkpoint(
    source: str,
    target: str,
    choose: Choose,
    sparsity: float,
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
) -> Pruned:
    """Prune the model in ``source`` to ``sparsity`` as ``choose`` says and write it to ``target``.

    What a recorded mask has pruned already stays pruned, and counts. Names, shapes and
    dtypes stay as they are. An EMA copy gets the same mask. The
    optimizer's state is left out: its moments belong to the dense model, and the best
    score with it, so that retraining starts clean. ``target`` may be ``source``.

    Memory: the file is mapped, results go through files beside ``target``, so a
    checkpoint larger than free memory will do; one byte a weight is needed for masks.

    Raises:
        PruneError: of ``choose``; see ``check_weight_norm``, ``read_checkpoint`` and
            ``write_checkpoint``.
    """
    check_writable(target)
    state = read_checkpoint(source)
    aliases = aliases_in(state, source)
    weights = prunable_weights(state, aliases, include, exclude)
    record, dictionaries = find_record(state), find_dictionaries(state)
    previous = masks_of(record, state["model"]) if record and record["masks"] else None
    result = choose(weights, fairseq_classes(weights, aliases), previous)
    if record and previous is not None:
        before = renamed(record["threshold"], aliases)
        result = keep_thresholds(result, {**record, "threshold": before})
    check_weight_norm(result.masks, state["model"])
    extra = state.get("extra_state") or {}
    with torch.no_grad():
        for tensors in (state["model"], extra.get("ema"), extra.get("ema_fp32_params")):
            if not tensors:
                continue
            for name, mask in result.masks.items():
                if name in tensors:
                    # what survives in an average has not been there
                    updated = result.updated.get(name) if tensors is state["model"] else None
                    pruned = scratch_tensor(tensors[name], beside=target)
                    pruned.copy_(tensors[name] if updated is None else updated)
                    apply_(pruned, mask)
                    for same in (name, *aliases.get(name, ())):
                        if same in tensors:
                            tensors[same] = pruned
        state[RECORD_KEY] = make_record(result, sparsity)
        if dictionaries:
            state[DICTIONARIES_KEY] = dictionaries
        state.pop("last_optimizer_state", None)
        extra.pop("best", None)
        write_checkpoint(state, target)
    return result
