"""What a packed file can come down to, and what is too good to be true."""

import math

from ..errors import PruneError


def entropy(p: float) -> float:
    """Bits a position of a mask that keeps each with probability ``p``."""
    if p in (0.0, 1.0):
        return 0.0
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def bound(weights: int, kept: int, width: int) -> float:
    """Bytes of a mask at its own density and of ``kept`` values of ``width`` bytes."""
    return weights * entropy(kept / weights) / 8 + kept * width if weights else 0.0


#: Bytes of the model for one of the file. fp32 at 99.9% pruned is about 740.
LIMIT = 10_000


def check_claim(model_bytes: int, file_bytes: int, path: str) -> None:
    """Raise PruneError if a model of ``model_bytes`` is said to lie in ``file_bytes``."""
    if model_bytes > LIMIT * max(file_bytes, 1):
        raise PruneError(
            f"{path} would hold a model of {model_bytes:,} bytes in {file_bytes:,}, more than "
            f"{LIMIT:,} times as many: there is nothing left of it, or it is forged"
        )
