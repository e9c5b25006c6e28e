"""What ``prune_checkpoint`` chooses weights by where a score looks at no data."""

from typing import Any, Dict

from torch import Tensor

from ..pruning import check_reachable, find_score, prune, score_name
from ..pruning.choice import Choice
from .optimizer_state import state_of_weights
from .prune_file import Choose
from .reading import read_checkpoint
from .weights import aliases_in


def choose_by_weights(source: str, choice: Choice, target: float) -> Choose:
    """What chooses the weights of checkpoint ``source`` to be pruned to ``target``, by themselves
    or by the optimizer's state beside them."""

    def choose(weights, classes, previous):
        check_reachable(
            weights, classes, choice.scheme, target, previous, choice.floors, choice.score
        )
        options: Dict[str, Any] = {"score": choice.score, "floors": choice.floors}
        entry = find_score(score_name(choice.scheme, choice.score)).state
        if entry is not None:
            options["statistics"] = of_optimizer(source, entry)
        return prune(weights, classes, choice.scheme, target, previous, **options)

    return choose


def of_optimizer(source: str, entry: str) -> Dict[str, Tensor]:
    """``state_of_weights`` of checkpoint ``source``."""
    state = read_checkpoint(source)
    return state_of_weights(state, aliases_in(state, source), entry, source)
