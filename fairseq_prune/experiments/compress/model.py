"""The checkpoint that the last round leaves."""

import glob
import os
from typing import Any, Callable, Dict, List, Optional

from ...checkpoints.average_files import average_checkpoints
from ...checkpoints.dictionaries import DICTIONARIES_KEY
from ...checkpoints.reading import read_checkpoint
from ...checkpoints.weights import find_record
from ...checkpoints.writing import write_checkpoint
from ...pruning import RECORD_KEY
from .own_training import KEY

#: Of the run that made it, with times that differ each time; a model has no use for it.
OF_THE_RUN = ("metrics", "previous_training_time", "train_iterator", "val_loss")


def last_epochs(folder: str, most: int) -> List[str]:
    """The checkpoints of the last ``most`` epochs in a round's folder, in order."""
    by_number = {}
    for path in glob.glob(os.path.join(glob.escape(folder), "checkpoint[0-9]*.pt")):
        number = os.path.basename(path)[len("checkpoint") : -len(".pt")]
        if number.isdigit():
            by_number[int(number)] = path
    return [by_number[number] for number in sorted(by_number)[-most:]]


def better_of(best: str, average: Optional[str], score: Callable[[str], float]) -> Dict[str, Any]:
    """Which of two checkpoints has the lower perplexity.

    Returns:
        "path", "averaged" and "perplexities" of the best and the average.
    """
    if average is None:
        return {"path": best, "averaged": False, "perplexities": None}
    scores = [score(best), score(average)]
    averaged = scores[1] < scores[0]
    path = average if averaged else best
    return {"path": path, "averaged": averaged, "perplexities": scores}


def averaged(folder: str, most: int) -> Optional[str]:
    """The mean of the last epochs' checkpoints, in a file there; None where there are not two."""
    epochs = last_epochs(folder, most)
    if len(epochs) < 2:
        return None
    target = os.path.join(folder, "average.pt")
    average_checkpoints(epochs, target)
    return target


def write_model(
    source: str, target: str, dictionaries: Dict[str, str], own: Dict[str, Any]
) -> None:
    """Write the model in ``source`` with its mask, without the state of its training.

    Args:
        own: what is noted of the dense model's training.
    Raises:
        PruneError: see ``read_checkpoint`` and ``write_checkpoint``.
    """
    state = read_checkpoint(source)
    state[RECORD_KEY] = find_record(state)
    state[DICTIONARIES_KEY] = dictionaries
    state[KEY] = own
    state.pop("last_optimizer_state", None)
    # of earlier sessions, of which an interrupted training has more
    state["optimizer_history"] = (state.get("optimizer_history") or [])[-1:]
    extra = state.get("extra_state") or {}
    state["extra_state"] = {k: v for k, v in extra.items() if k not in OF_THE_RUN}
    write_checkpoint(state, target)
