"""What ``prune_checkpoint`` chooses weights by where a score looks at data."""

from typing import Callable

from ..checkpoints.prune_file import Choose
from ..loading.evaluation import criterion_of, load_model
from ..pruning import PruneError
from ..pruning.choice import Choice
from ..tasks.prune_model import prune_model


def choose_by_data(
    source: str,
    choice: Choice,
    target: float,
    data: str,
    progress: Callable[[int, int, float], None] = lambda step, done, share: None,
) -> Choose:
    """What chooses the weights of checkpoint ``source`` to be pruned to ``target``.

    Args:
        data: folder of binarised data.
        progress: as of ``prune_model``.
    """

    def choose(weights, classes, previous):
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

    return choose
