"""What the optimizer's state in a checkpoint says of each weight."""

from typing import Any, Dict, List, Mapping, Optional, Tuple

import torch
from torch import Tensor

from ..parameters.kinds import is_copy, is_parameter
from ..parameters.ties import Aliases
from ..pruning import PruneError
from ..pruning.fisher import ADAM
from ..pruning.movement import MOVEMENT

Shape = Tuple[int, ...]


def state_of_weights(
    state: Mapping[str, Any], aliases: Aliases, entry: str, source: str
) -> Dict[str, Tensor]:
    """Parameter name -> an entry of the optimizer's state of it, shaped like the parameter.

    fairseq's optimizers number the parameters that train in the order of the model; its
    FP16Optimizer has one flat vector of all of them. Nothing in a checkpoint says which were
    frozen: these are left out of the result where one choice of them alone fits the shapes.

    Args:
        state: a checkpoint.
        aliases: of the checkpoint (``aliases_in``).
        entry: e.g. "exp_avg_sq".
    Raises:
        PruneError: the file has no such state, or it may be of one parameter or another.
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
    values = [value.get(entry) for _, value in sorted(by_number.items())]
    if not values or not all(map(torch.is_tensor, values)):
        raise _without(entry, source, bool(by_number))
    sizes = [weight.numel() for weight in named.values()]
    for parameters in (named, there):
        all_sizes = [weight.numel() for weight in parameters.values()]
        if len(values) == 1 and len(sizes) > 1 and values[0].numel() == sum(all_sizes):
            parts = dict(zip(parameters, values[0].reshape(-1).split(all_sizes)))
            values = [parts[name] for name in named]
    if [value.numel() for value in values] != sizes:
        places = _places([tuple(v.shape) for v in values], [tuple(w.shape) for w in named.values()])
        if places is None:
            raise PruneError(
                f"the optimizer's state in {source} is not of all its parameters (some are "
                f"frozen?), and their shapes do not tell of which it is; take score fisher"
            )
        names = list(named)
        named = {names[place]: named[names[place]] for place in places}
    return {
        name: value.reshape(weight.shape).float()
        for (name, weight), value in zip(named.items(), values)
    }


def _without(entry: str, source: str, of_others: bool) -> PruneError:
    """
    Args:
        of_others: the optimizer's state is there, but for this entry.
    """
    wanted = "a checkpoint as training saved it"
    if of_others:
        wanted = {
            ADAM.state: "one that was trained with adam",
            MOVEMENT.state: "one of a training with --prune-score movement",
        }.get(entry, "one whose optimizer does")
    return PruneError(
        f"{source} holds no {entry}, which an optimizer remembers of its updates; name {wanted}, "
        f"or take score fisher"
    )


def _places(some: List[Shape], of_all: List[Shape]) -> Optional[List[int]]:
    """Where ``some`` are among ``of_all``, in the same order; None unless there is just one way."""
    first = _earliest(some, of_all)
    last = _earliest(some[::-1], of_all[::-1])
    if first is None or last is None:
        return None
    # each is between the earliest and the latest that it can be
    latest = [len(of_all) - 1 - place for place in reversed(last)]
    return first if first == latest else None


def _earliest(some: List[Shape], of_all: List[Shape]) -> Optional[List[int]]:
    places, start = [], 0
    for shape in some:
        if shape not in of_all[start:]:
            return None
        places.append(of_all.index(shape, start))
        start = places[-1] + 1
    return places
