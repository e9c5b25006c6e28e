"""What no lossless code of independent positions goes below."""

import math


def entropy(p: float) -> float:
    """Bits a position of a mask that keeps each with probability ``p``."""
    if p in (0.0, 1.0):
        return 0.0
    return -p * math.log2(p) - (1 - p) * math.log2(1 - p)


def bound(weights: int, kept: int, width: int) -> float:
    """Bytes of a mask at its own density and of ``kept`` values of ``width`` bytes."""
    return weights * entropy(kept / weights) / 8 + kept * width if weights else 0.0
