"""Pieces of a weight: what is done at a time, so that temporaries stay small."""

from torch import Tensor

#: 1 MB of float32: the temporaries stay in cache, the overhead of a call does not show
CHUNK = 1 << 18


def row_length(weight: Tensor) -> int:
    """Weights in a row; a vector has rows of 1."""
    return max(1, weight.shape[1:].numel())


def piece_length(weight: Tensor) -> int:
    """Whole rows, of about CHUNK weights.

    The last digit of a score may depend on the piece that it was found in (that of a power does:
    what fills no vector is done in another way), so those who compare scores take the same pieces.
    """
    length = row_length(weight)
    return max(1, CHUNK // length) * length
