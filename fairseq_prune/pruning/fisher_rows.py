"""Fisher matrices of rows that have one matrix of columns in common, each at its own scale.

And what optimal brain surgeon asks of them (Hassibi and Stork 1993, equation 5), of what is left
of each row: where that is little, systems are small.
"""

from typing import Iterator, List, NamedTuple, Tuple, Union

import torch
from torch import Tensor

#: Numbers in the matrices that are solved at once.
_AT_ONCE = 1 << 23


class FisherRows(NamedTuple):
    """The matrix of each row: its scale times that of the columns, and damping."""

    columns: Tensor  # [width, width], with trace 1
    scale: Tensor  # [rows]
    damping: Tensor  # [rows], on the diagonal

    @classmethod
    def of(cls, columns: Tensor, scale: Tensor, damping: Union[float, Tensor]) -> "FisherRows":
        """
        Args:
            columns: [width, width], products of their gradients; its trace does not matter.
            scale: [rows], of each row the trace of its matrix.
            damping: what is added to the diagonal, of all or of each, [rows].
        """
        trace = torch.diagonal(columns).sum().clamp(min=torch.finfo(torch.float32).tiny)
        # never singular in float32: no eigenvalue of the columns' matrix is above 1
        least = 1e-6 * scale
        return cls(columns / trace, scale, (least + damping).clamp(min=1e-30))

    def matrices(self, rows: Tensor, places: Tensor, real: Tensor) -> Tensor:
        """[n, s, s]: those of ``rows``, restricted to ``places`` [n, s] where they are ``real``."""
        matrices = self.columns[places.unsqueeze(2), places.unsqueeze(1)]
        matrices *= (self.scale[rows, None] * real).unsqueeze(2) * real.unsqueeze(1)
        diagonal = torch.diagonal(matrices, dim1=1, dim2=2)
        diagonal += self.damping[rows, None]
        return matrices

    def importance(self, left: Tensor) -> Tensor:
        """[rows, width]: 1 / [H^-1]_ii, H of what is ``left`` of each row; else 0."""
        importance = torch.zeros(left.shape, dtype=torch.float32, device=left.device)
        whole = left.all(dim=1)
        if bool(whole.any()):
            # H^-1 = Q (scale e + damping)^-1 Q^T for all of these at once
            values, vectors = torch.linalg.eigh(self.columns.double())
            inverse = 1 / (
                self.scale[whole, None] * values.clamp(min=0) + self.damping[whole, None]
            )
            importance[whole] = 1 / (inverse @ vectors.square().t()).float()
        for some, places, real in _groups(left & ~whole.unsqueeze(1)):
            factor = torch.linalg.cholesky(self.matrices(some, places, real))
            inverse = torch.diagonal(torch.cholesky_inverse(factor), dim1=1, dim2=2)
            importance[some.unsqueeze(1), places] = real / inverse
        return importance

    def make_up_(self, block: Tensor, kept: Tensor) -> None:
        """Move what is ``kept`` of ``block`` [rows, width], in place, to make up for the rest."""
        wanted = self.scale.unsqueeze(1) * ((block * ~kept) @ self.columns)
        for some, places, real in _groups(kept):
            factor = torch.linalg.cholesky(self.matrices(some, places, real))
            of_rows = wanted[some.unsqueeze(1), places] * real
            change = torch.cholesky_solve(of_rows.unsqueeze(2), factor).squeeze(2)
            block[some.unsqueeze(1), places] += change * real


def _groups(left: Tensor) -> Iterator[Tuple[Tensor, Tensor, Tensor]]:
    """Rows with about as many weights left, together: where they are needs no more room.

    Gives: which rows [n], which of their columns [n, s], and 1 where these are left [n, s]: rows
    have s or fewer. Rows without any are in no group.
    """
    sizes, order = left.sum(dim=1).sort(descending=True)
    counts: List[int] = sizes.tolist()
    start, end = 0, sum(count > 0 for count in counts)
    while start < end:
        most = counts[start]
        some = order[start : min(end, start + max(1, _AT_ONCE // most**2))]
        real, places = left[some].to(torch.int8).sort(dim=1, descending=True, stable=True)
        yield some, places[:, :most], real[:, :most].float()
        start += len(some)
