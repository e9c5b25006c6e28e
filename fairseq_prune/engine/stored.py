"""Tensors as the engine reads them: where they lie in a packed file or in memory."""

from typing import Optional, Sequence

import numpy as np

from ..errors import PruneError
from ..packed.container import Container, count_of
from .library import KINDS, Stored

#: Denser than this, a matrix is multiplied as it is.
DENSE_ABOVE = 0.5
#: Likewise of int8 values, of which 16 are multiplied at once if they lie beside each other.
DENSE_ABOVE_INT8 = 0.4


def default_dense_above(stored: Stored) -> float:
    """The share of kept weights from which ``stored`` is multiplied as it is."""
    return DENSE_ABOVE_INT8 if stored.kind == KINDS["I8"] else DENSE_ABOVE


def stored_in_file(container: Container, name: str, shape: Sequence[int]) -> Stored:
    """A matrix of a packed file, which must stay open while it is read.

    Args:
        name: that it is stored under: the first one of a tied weight.
        shape: (rows, ...) as the file's description has it.
    Raises:
        PruneError: the file has no such tensor, or not of numbers that the engine multiplies.
    """
    entries = container.entries
    rows, *rest = shape or (0,)  # of which the engine makes no matrix
    columns = count_of(rest)
    sparse = f"{name}:mask" in entries
    values = f"{name}:values" if sparse else name
    kind = entries[values][0] if values in entries else None
    if kind not in KINDS or (kind == "I8") != (f"{name}:scales" in entries):
        raise PruneError(f"{container.path} is damaged: {name} is not as described")
    mask, mask_size = container.place(f"{name}:mask") if sparse else (0, -1)
    scales = 0
    if kind == "I8":
        if entries[f"{name}:scales"] != ("F16", (rows,)):
            raise PruneError(f"{container.path} is damaged: {name} is not as described")
        scales, _ = container.place(f"{name}:scales")
    start, size = container.place(values)
    return Stored(
        container.fileno(), rows, columns, KINDS[kind], mask, mask_size, start, size, scales
    )


def stored_in_memory(
    shape: Sequence[int],
    kind: str,
    values: np.ndarray,
    scales: Optional[np.ndarray] = None,
    mask: Optional[np.ndarray] = None,
) -> Stored:
    """A matrix (rows, columns) in memory; the arrays must stay there while it is read.

    Args:
        kind: of ``KINDS``.
        values: contiguous, in whatever type; all of them, or those that are kept.
        scales: (rows,) fp16, of int8 values.
        mask: which are kept, as ``mask_code.encode_mask`` has it.
    """
    where = (0, -1) if mask is None else (mask.ctypes.data, mask.nbytes)
    rows, columns = shape
    scales_at = 0 if scales is None else scales.ctypes.data
    return Stored(
        -1, rows, columns, KINDS[kind], *where, values.ctypes.data, values.nbytes, scales_at
    )
