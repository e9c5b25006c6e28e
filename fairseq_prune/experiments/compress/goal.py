"""How far a checkpoint is to be compressed."""

import re
from dataclasses import dataclass
from typing import Optional

from ...pruning import PruneError

#: Where nothing is said.
SPARSITY = 0.9
METRICS = ("bleu", "chrf", "perplexity")
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20}


@dataclass(frozen=True)
class Goal:
    """One of these.

    Attributes:
        sparsity: of the model.
        max_loss: of the metric on the validation set.
        max_bytes: of the packed file.
    """

    sparsity: Optional[float] = None
    max_loss: Optional[float] = None
    max_bytes: Optional[int] = None


def goal_of(sparsity: Optional[float], max_loss: Optional[float], max_bytes: Optional[str]) -> Goal:
    """What the options ask for.

    Raises:
        PruneError: more than one is given, or one is out of range.
    """
    given = [
        name
        for name, value in (
            ("--sparsity", sparsity), ("--max-loss", max_loss), ("--max-bytes", max_bytes)
        )
        if value is not None
    ]  # fmt: skip
    if len(given) > 1:
        raise PruneError(f"{given[0]} and {given[1]} are two goals; give one")
    if sparsity is not None and not 0 < sparsity < 1:
        raise PruneError(f"--sparsity {sparsity:g} is out of range; give 0 < x < 1")
    if max_loss is not None and not 0 <= max_loss < float("inf"):
        raise PruneError(f"--max-loss {max_loss:g} is out of range; give 0 or more")
    size = None if max_bytes is None else bytes_of(max_bytes)
    return Goal(SPARSITY if not given else sparsity, max_loss, size)


def bytes_of(text: str) -> int:
    """The number of a size.

    >>> bytes_of("1.5MB")
    1500000

    Raises:
        PruneError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]*)", text.strip().lower())
    if match is None or match.group(2) not in _UNITS:
        raise PruneError(f"--max-bytes {text} is no size; give e.g. 20MB, 500kB or 1MiB")
    size = int(float(match.group(1)) * _UNITS[match.group(2)])
    if size < 1:
        raise PruneError(f"--max-bytes {text} is out of range; give 1 or more")
    return size
