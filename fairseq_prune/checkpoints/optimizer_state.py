"""What the optimizer's state in a checkpoint says of each weight."""

from typing import Any, Dict, Mapping

import torch
from torch import Tensor

from ..models.parameters import is_copy, is_parameter
from ..models.ties import Aliases
from ..pruning import PruneError


def state_of_weights(
    state: Mapping[str, Any], aliases: Aliases, entry: str, source: str
) -> Dict[str, Tensor]:
    """Parameter name -> an entry of the optimizer's state of it, shaped like the parameter.

    fairseq's optimizers number the parameters in the order of the model; its FP16Optimizer has
    one flat vector of all of them.

    Args:
        state: a checkpoint.
        aliases: of the checkpoint (``aliases_in``).
        entry: e.g. "exp_avg_sq".
    Raises:
        PruneError: the file has no such state, or not of all its parameters.
    """
    again = {name for names in aliases.values() for name in names}
    there = {
        name: weight
        for name, weight in state["model"].items()
        if (is_parameter(name, weight) or is_copy(name)) and name not in again
    }
    # copies do not train, and have no state unless it is one of all
    named = {name: weight for name, weight in there.items() if not is_copy(name)}
    by_number = ((state.get("last_optimizer_state") or {}).get("state")) or {}
    found = [value.get(entry) for _, value in sorted(by_number.items())]
    if not found or not all(map(torch.is_tensor, found)):
        raise PruneError(
            f"{source} holds no {entry}, the state of an optimizer such as adam; name a checkpoint "
            f"as training saved it, or take score fisher"
        )
    sizes = [weight.numel() for weight in named.values()]
    for parameters in (named, there):
        all_sizes = [weight.numel() for weight in parameters.values()]
        if len(found) == 1 and len(sizes) > 1 and found[0].numel() == sum(all_sizes):
            parts = dict(zip(parameters, found[0].reshape(-1).split(all_sizes)))
            found = [parts[name] for name in named]
    if [value.numel() for value in found] != sizes:
        raise PruneError(
            f"the optimizer's state in {source} is not of all its parameters (some are frozen?); "
            f"take score fisher"
        )
    return {
        name: value.reshape(weight.shape).float()
        for (name, weight), value in zip(named.items(), found)
    }
