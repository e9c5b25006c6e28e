"""Rounds whose learning rate was too high for them, to be made again with half of it."""

import glob
import os
from typing import List, Sequence

#: Bits a token above the dense model's loss, where no round should end.
FAR = 1.0
#: Bits a token by which a training that learns becomes better in its course, at the least.
LITTLE = 0.2
#: Times the dense model's loss, where no round ends that has learned anything, though it may have
#: begun still worse.
HOPELESS = 3.0
#: How often a learning rate is halved at most: the largest, of 95%, to less than the dense one.
MOST = 3
#: What fairseq ends with where gradients are no numbers.
EXPLODED = ("FloatingPointError", "loss is probably exploding")


def diverged(losses: Sequence[float], dense: float) -> bool:
    """Whether a training has ended far from the dense model and was not on the way there.

    Args:
        losses: of its validations, in bits a token, in order.
        dense: the dense model's.
    """
    if len(losses) < 2 or losses[-1] <= dense + FAR:
        return False
    return losses[-1] > losses[0] - LITTLE or losses[-1] > HOPELESS * dense


def exploded(said: str) -> bool:
    """Whether a training that failed did so for its gradients.

    Args:
        said: the sentence of its failure.
    """
    return any(words in said for words in EXPLODED)


def at_rate(command: List[str], times: float) -> List[str]:
    """``command`` with the learning rates that a recipe has put there multiplied."""
    changed = list(command)
    for option in ("--lr", "--end-learning-rate"):
        if option in command:
            at = command.index(option) + 1
            changed[at] = f"{float(command[at]) * times:g}"
    return changed


def times_halved(folder: str) -> int:
    """How often the learning rate of the round in ``folder`` has been halved."""
    return len(glob.glob(f"{glob.escape(folder)}.diverged*"))


def set_aside(folder: str) -> None:
    """Move a round's folder out of the way, without its checkpoints; its log stays."""
    aside = f"{folder}.diverged{times_halved(folder) + 1}"
    os.rename(folder, aside)
    for path in glob.glob(os.path.join(glob.escape(aside), "checkpoint*.pt")):
        os.remove(path)
