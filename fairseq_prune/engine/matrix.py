"""A weight matrix in the engine, for models that others run."""

import ctypes
import os
from typing import Any, Dict, Optional

import numpy as np

from ..errors import PruneError
from ..packed.mask_code import encode_mask
from .library import KINDS, Stored, check, library
from .stored import default_dense_above, stored_in_memory

#: Sparse, however much is kept.
ALWAYS_SPARSE = 2.0


class Matrix:
    """W (rows, columns), sparse or dense, of float32, fp16, or int8 with a scale for each row.

    Attributes:
        shape: (rows, columns).
        kind: "F32", "F16" or "I8".
        handle: the engine's.
    """

    def __init__(self, stored: Stored, dense_above: Optional[float] = None):
        """
        Args:
            stored: read now, and not needed afterwards.
            dense_above: it is sparse where a smaller share of it is kept (default: what is
                fastest for its numbers).
        Raises:
            PruneError: the file is damaged, the memory does not suffice, or there is no engine.
        """
        if dense_above is None:
            dense_above = default_dense_above(stored)
        self._library = library()
        self.shape = (stored.rows, stored.columns)
        name = {number: name for name, number in KINDS.items()}[stored.kind]
        self.kind = name if name in ("F16", "I8") else "F32"
        self._scales = _scales(stored) if name == "I8" else None
        self.handle = self._library.engine_product_new(ctypes.byref(stored), dense_above)
        if not self.handle:
            raise PruneError(self._library.engine_error().decode())

    def __del__(self):
        if getattr(self, "handle", None):
            self._library.engine_product_free(self.handle)

    @property
    def is_sparse(self) -> bool:
        return bool(self._library.engine_product_is_sparse(self.handle))

    @property
    def nbytes(self) -> int:
        """In memory."""
        return self._library.engine_product_bytes(self.handle)

    def multiply(self, x: int, count: int, y: int) -> None:
        """y = x W^T, of x (count, columns) and y (count, rows) float32, contiguous, by address."""
        check(self._library.engine_product(self.handle, x, count, y))

    def dense(self) -> np.ndarray:
        """(rows, columns) float32, as it is multiplied."""
        rows = np.empty(self.shape, np.float32)
        check(self._library.engine_product_rows(self.handle, 0, len(rows), rows.ctypes.data))
        return rows

    def __getstate__(self) -> Dict[str, Any]:
        """What is kept, coded as in packed files: what the engine holds cannot be copied."""
        values, mask = self.dense(), None
        if self._scales is not None:
            scales = self._scales.astype(np.float32)[:, None]
            values = np.rint(values / np.where(scales > 0, scales, 1)).astype(np.int8)
        elif self.kind == "F16":
            values = values.astype(np.float16)
        if self.is_sparse:
            kept = (values != 0).reshape(-1)
            mask, values = encode_mask(kept), values.reshape(-1)[kept]
        return {"shape": self.shape, "kind": self.kind, "values": values, "scales": self._scales,
                "mask": mask}  # fmt: skip

    def __setstate__(self, state: Dict[str, Any]) -> None:
        above = 0.0 if state["mask"] is None else ALWAYS_SPARSE
        Matrix.__init__(self, stored_in_memory(**state), above)


def _scales(stored: Stored) -> np.ndarray:
    """(rows,) fp16."""
    size = 2 * stored.rows
    if stored.fd < 0:
        raw = ctypes.string_at(stored.scales, size)
    else:
        raw = os.pread(stored.fd, size, stored.scales)
    return np.frombuffer(raw, np.float16)
