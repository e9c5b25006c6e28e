"""What ``prune_checkpoint`` chooses weights by: any score, with the data that it looks at."""

from typing import Callable, Optional

from ..checkpoints.choose import choose_by_weights
from ..checkpoints.prune_file import Choose
from ..loading.evaluation import criterion_of, load_model
from ..pruning import PruneError
from ..pruning.choice import Choice
from ..tasks.prune_model import prune_model


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
    if not choice.needs_data:
        return choose_by_weights(source, choice, target)
    if data is None:
        raise PruneError(
            f"--score {choice.score} looks at data; give --data, a folder of binarised data"
        )

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
