"""A model pruned in place for the time of an evaluation."""

from contextlib import contextmanager
from typing import Mapping

from torch import Tensor

from ..parameters.weight_norm import check_weight_norm
from ..pruning import apply_


@contextmanager
def pruned_for_a_while(
    named: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    updated: Mapping[str, Tensor],
    flags: str,
):
    """Apply ``masks`` to the parameters they name; afterwards those are as before.

    Args:
        named: all of the model's parameters by name, as plain tensors.
        updated: values that those of them have instead, whose survivors make up for the rest.
        flags: what the options' names begin with where the user gave them.
    Raises:
        PruneError: all weights of a norm would go (``check_weight_norm``).
    """
    check_weight_norm(masks, named, flags)
    saved = {name: named[name].clone() for name in masks}
    try:
        for name, mask in masks.items():
            if name in updated:
                named[name].copy_(updated[name])
            apply_(named[name], mask)
        yield
    finally:
        for name, weight in saved.items():
            named[name].copy_(weight)
