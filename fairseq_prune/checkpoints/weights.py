"""The prunable weights of a checkpoint file, and what it says of their pruning."""

from typing import Any, Dict, Iterable, List, Mapping, Optional

import torch
from torch import Tensor

from ..models.weight_classes import fairseq_prunable, is_copy
from ..optim.pruned_optimizer import RECORD_KEY


def prunable_weights(
    state: Mapping[str, Any], include: Iterable[str] = (), exclude: Iterable[str] = ()
) -> Dict[str, Tensor]:
    """Prunable parameters of a checkpoint by name, tied ones once, in parameter order."""
    model = state["model"]
    copies = {other for others in tied(model).values() for other in others}
    named = {n: w for n, w in model.items() if n not in copies and torch.is_tensor(w)}
    return fairseq_prunable(named, include, exclude)


def tied(model: Mapping[str, Tensor]) -> Dict[str, List[str]]:
    """name -> later names of the same weights.

    Checkpoints from a GPU or in half precision hold tied weights twice, so equal
    numbers count as tied; matrices of zeros do not, they say nothing.
    """
    result: Dict[str, List[str]] = {}
    by_look: Dict[Any, List[str]] = {}
    for name, tensor in model.items():
        if not torch.is_tensor(tensor) or not tensor.is_floating_point() or tensor.dim() < 2:
            continue
        if is_copy(name):
            continue
        if tensor.numel() == 0:
            continue
        look = (tuple(tensor.shape), tensor.dtype, tuple(tensor.reshape(-1)[-64:].tolist()))
        for first in by_look.get(look, []):
            if _same(model[first], tensor):
                result.setdefault(first, []).append(name)
                break
        else:
            by_look.setdefault(look, []).append(name)
    return result


def _same(a: Tensor, b: Tensor) -> bool:
    if a.data_ptr() == b.data_ptr():
        return True
    return torch.equal(a, b) and bool(a.any())


def find_record(state: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """The pruning record that ``fairseq-prune prune`` or a pruned optimizer left, or None."""
    optimizer = state.get("last_optimizer_state") or {}
    return state.get(RECORD_KEY) or optimizer.get(RECORD_KEY)
