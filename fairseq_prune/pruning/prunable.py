"""Which parameters sparsity is counted over."""

import re
from typing import Dict, Iterable, Mapping, Optional, Tuple

from torch import Tensor


def find_prunable(
    named: Mapping[str, Tensor],
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    not_weights: Iterable[str] = (),
    labels: Optional[Mapping[str, Iterable[str]]] = None,
) -> Dict[str, Tensor]:
    """Weight matrices of ``named``, tied ones once, in the order given.

    A matrix is a floating-point tensor of two or more dimensions that is not named a
    bias; vectors (biases, layer norms) stay out. A tensor that appears under several
    names is counted under the first. Frozen parameters count: they are weights too.

    Args:
        named: parameters by name, as in a state dict.
        include: regular expressions; what they match in is taken although it is no matrix
            or is one of ``not_weights``.
        exclude: regular expressions; what they match in is left out. Wins over ``include``.
        not_weights: regular expressions for matrices that are no weights (positional tables).
        labels: for each name, what ``include`` and ``exclude`` are matched in; default: the name.
    Returns:
        name -> tensor, the very ones of ``named``.
    Raises:
        PruneError: a pattern is no regular expression.
    """
    prunable: Dict[str, Tensor] = {}
    seen = set()
    for name, tensor in named.items():
        texts = [name] if labels is None else labels[name]
        if not tensor.is_floating_point() or _matches(texts, exclude):
            continue
        is_matrix = tensor.dim() >= 2 and "bias" not in name.rsplit(".", 1)[-1]
        is_weight = is_matrix and not _matches([name], not_weights)
        if not is_weight and not _matches(texts, include):
            continue
        place = _memory(tensor)
        if place not in seen:
            seen.add(place)
            prunable[name] = tensor
    return prunable


def _matches(texts: Iterable[str], patterns: Iterable[str]) -> bool:
    return any(re.search(pattern, text) for pattern in patterns for text in texts)


def _memory(tensor: Tensor) -> Tuple:
    """Equal for two tensors that are the same numbers in the same memory."""
    if tensor.numel() == 0:
        return (id(tensor),)
    return (tensor.device, tensor.data_ptr(), tuple(tensor.shape), tensor.stride())
