"""Which weights remain, as pictures of bounded size (See et al. 2016, Figure 8)."""

import torch
from torch import Tensor


def density_map(keep: Tensor, rows: int, columns: int) -> Tensor:
    """The fraction kept in each cell of a grid laid over a mask.

    Args:
        keep: bool, two dimensions.
        rows, columns: of the grid at most; a smaller mask is not enlarged.
    Returns:
        float32 in [0, 1]. Cells differ by at most one row and one column in size.
    """
    rows, columns = min(rows, keep.shape[0]), min(columns, keep.shape[1])
    row_edges, column_edges = _edges(keep.shape[0], rows), _edges(keep.shape[1], columns)
    cells = torch.empty(rows, columns, dtype=torch.float32)
    for k in range(rows):
        band = keep[row_edges[k] : row_edges[k + 1]]
        sums = torch.zeros(keep.shape[1] + 1, dtype=torch.int64)
        torch.cumsum(band.sum(dim=0), dim=0, out=sums[1:])
        kept = sums[column_edges[1:]] - sums[column_edges[:-1]]
        size = (column_edges[1:] - column_edges[:-1]) * band.shape[0]
        cells[k] = kept / size
    return cells


def _edges(length: int, cells: int) -> Tensor:
    return torch.arange(cells + 1) * length // cells
