"""Compressed sparse rows with int32 indices, made without a dense copy where there is none."""

import warnings
from typing import List, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .weight import Weight, source_of


class CSR(NamedTuple):
    """Compressed sparse rows: ``start[i]`` to ``start[i + 1]`` are the elements of row i."""

    start: np.ndarray  # (M + 1,) int64
    columns: np.ndarray  # int32
    values: np.ndarray  # float32
    width: int

    def tensor(self) -> Tensor:
        """As torch's, with int32 indices, for which MKL is faster."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch: "Sparse CSR tensor support is in beta state"
            return torch.sparse_csr_tensor(
                torch.from_numpy(self.start.astype(np.int32)),
                torch.from_numpy(self.columns),
                torch.from_numpy(self.values),
                size=(len(self.start) - 1, self.width),
            )


def csr(weights: List[Weight]) -> CSR:
    """Matrices (M, K_1), (M, K_2), ... beside each other."""
    result = _csr(weights[0])
    for weight in weights[1:]:
        result = _beside(result, _csr(weight))
    return result


def _csr(weight: Weight) -> CSR:
    source, (height, width) = source_of(weight), weight.shape
    count, done = source.kept(), 0
    columns, values = np.empty(count, np.int32), np.empty(count, np.float32)
    start = np.zeros(height + 1, np.int64)
    for first, size, positions, raw in source.pieces():
        flat = first + (np.arange(size) if positions is None else positions)
        row, column = np.divmod(flat, width)
        columns[done : done + raw.size] = column
        values[done : done + raw.size] = torch.from_numpy(raw).view(weight.dtype).float().numpy()
        done += raw.size
        if raw.size:
            in_row = np.bincount(row - row[0])
            start[row[0] + 1 : row[0] + 1 + in_row.size] += in_row
    assert done == count
    return CSR(start.cumsum(), columns, values, width)


def _beside(a: CSR, b: CSR) -> CSR:
    """(M, K_a) and (M, K_b) as (M, K_a + K_b): each row of ``a``, then that of ``b``."""
    count = a.values.size + b.values.size
    columns, values = np.empty(count, np.int32), np.empty(count, np.float32)
    for part, ahead, shift in ((a, b.start[:-1], 0), (b, a.start[1:], a.width)):
        place = np.arange(part.values.size) + np.repeat(ahead, np.diff(part.start))
        columns[place], values[place] = part.columns + shift, part.values
    return CSR(a.start + b.start, columns, values, a.width + b.width)
