"""What ``prune_checkpoint`` chooses weights by: any score, with the data that it looks at."""

from typing import Callable, Dict, Optional

from torch import Tensor

from ..checkpoints.optimizer_state import state_of_weights
from ..checkpoints.prune_file import Choose
from ..checkpoints.reading import read_checkpoint
from ..checkpoints.weights import aliases_in
from ..pruning import PruneError, find_score, prune, score_name
from ..tasks.prune_model import Choice, prune_model
from .loading import criterion_of, load_model


def choose_for(
    source: str,
    choice: Choice,
    target: float,
    data: Optional[str] = None,
    progress: Callable[[int, int, float], None] = lambda step, done, share: None,
) -> Choose:
    """What chooses the weights of checkpoint ``source`` to be pruned to ``target``.

    Args:
        data: folder of binarised data, for scores that look at some.
        progress: as of ``prune_model``.
    Raises:
        PruneError: the score needs data that were not given.
    """
    if choice.needs_data and data is None:
        raise PruneError(
            f"--score {choice.score} looks at data; give --data, a folder of binarised data"
        )

    def by_weights(weights, classes, previous):
        options = {"score": choice.score, "floors": choice.floors}
        entry = find_score(score_name(choice.scheme, choice.score)).state
        if entry is not None:
            options["statistics"] = of_optimizer(source, entry)
        return prune(weights, classes, choice.scheme, target, previous, **options)

    def by_data(weights, classes, previous):
        model, task = load_model(source, data, [])
        named = dict(model.named_parameters())
        for name in weights:
            if name not in named:
                raise PruneError(
                    f"{source} names {name}, which fairseq has renamed since; load and save it "
                    f"with this fairseq first"
                )
        criterion = criterion_of(source, task)
        return prune_model(model, task, criterion, weights, choice, target, previous, progress)

    return by_data if choice.needs_data else by_weights


def of_optimizer(source: str, entry: str) -> Dict[str, Tensor]:
    """``state_of_weights`` of checkpoint ``source``."""
    state = read_checkpoint(source)
    return state_of_weights(state, aliases_in(state, source), entry, source)
