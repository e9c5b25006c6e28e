"""Statistics that the optimizer of a training run has already."""

from typing import Any, Dict, Mapping, Optional, Tuple

import torch
from torch import Tensor

from ..optim.placement import master_view
from ..optim.pruned_optimizer import MOVEMENT, registered_name
from ..pruning import PruneError

#: Adam's second moment of each weight.
SECOND_MOMENT = "exp_avg_sq"
#: fairseq's optimizers that have none; of other entries, as a score of the user's own may ask for,
#: nothing is known before an update.
WITHOUT_MOMENTS = ("adadelta", "adafactor", "adagrad", "adamax", "nag", "sgd")


def check_remembers(entry: str, optimizer: Optional[type]) -> None:
    """Raise PruneError where it is known that the state of ``optimizer`` will have no ``entry``.

    Args:
        optimizer: a pruned twin.
    """
    name = registered_name(getattr(optimizer, "made_of", type(None)))
    if entry == SECOND_MOMENT and name in WITHOUT_MOMENTS:
        raise PruneError(
            f"--prune-score ranks by what Adam remembers of its updates ({entry}), which "
            f"--optimizer pruned_{name} has not; take pruned_adam, or score fisher"
        )


def in_state(
    entry: Optional[str],
    inner: Any,
    placed: Mapping[str, Tuple[Tensor, int]],
    named: Mapping[str, Tensor],
    weights: Mapping[str, Tensor],
) -> Dict[str, Tensor]:
    """An entry of the optimizer's state of each of the ``weights`` that has one, by name.

    Args:
        entry: e.g. "exp_avg_sq"; None: the result is empty.
        inner: the optimizer that takes the step (``innermost``).
        placed: where it has each parameter (``masters``).
        named: the model's parameters.
    Raises:
        PruneError: none has one.
    """
    if entry is None:
        return {}
    state, entries = inner.optimizer.state, {}
    for name in weights:
        param, start = placed[name]
        value = state.get(param, {}).get(entry)
        if torch.is_tensor(value) and value.numel() == param.numel():
            entries[name] = master_view(value, start, like=named[name])
    if not entries:
        raise nothing_remembered(entry)
    return entries


def nothing_remembered(entry: str) -> PruneError:
    """The error for a score by an ``entry`` of the optimizer's state that is not there."""
    kind = "" if entry == MOVEMENT else " of pruned_adam"
    return PruneError(
        f"--prune-score ranks by what the optimizer remembers of its updates ({entry}), and this "
        f"one remembers none; give --prune-begin, so that some{kind} come first, or take score "
        f"fisher"
    )
