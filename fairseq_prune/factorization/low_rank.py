"""A matrix as the product of two thin ones (Grachev et al. 2017, section 3.2)."""

from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from ..pruning import PruneError


class LowRank(nn.Module):
    """y = left (right x) + b, in the place of y = W x + b.

    Attributes:
        right: (rank, in), without bias.
        left: (out, rank), with the bias.
    """

    def __init__(self, in_features: int, out_features: int, rank: int, bias: bool = False):
        """
        Raises:
            PruneError: the rank is not between 1 and the matrix's smaller side.
        """
        super().__init__()
        check_rank(rank, in_features, out_features)
        self.right = nn.Linear(in_features, rank, bias=False)
        self.left = nn.Linear(rank, out_features, bias=bias)

    @classmethod
    def from_dense(cls, weight: Tensor, bias: Optional[Tensor], rank: int) -> "LowRank":
        """The closest in the Frobenius norm (Eckart and Young 1936), by singular values.

        Each factor takes their square roots, so that retraining finds them of one size.
        """
        result = cls(weight.shape[1], weight.shape[0], rank, bias is not None)
        left, right = thin_svd(weight, rank)
        with torch.no_grad():
            result.left.weight.copy_(left)
            result.right.weight.copy_(right)
            if bias is not None:
                result.left.bias.copy_(bias)
        return result

    def init_(self, init_range: float) -> "LowRank":
        """Random factors; elements of their product vary as those of U(-init_range, init_range)."""
        std = (init_range**2 / 3 / self.left.in_features) ** 0.25
        for factor in (self.left, self.right):
            nn.init.uniform_(factor.weight, -(3**0.5) * std, 3**0.5 * std)
        if self.left.bias is not None:
            nn.init.uniform_(self.left.bias, -init_range, init_range)
        return self

    def matrix(self) -> Tensor:
        """W (out, in)."""
        return self.left.weight @ self.right.weight

    def reduce(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        """z and a matrix by which z gives what x gives by W: cheaper than making W."""
        return self.right(x), self.left.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.left(self.right(x))

    @property
    def is_plain(self) -> bool:
        """Whether the factors are parameters (not products of a runtime)."""
        return isinstance(self.left, nn.Linear) and isinstance(self.right, nn.Linear)


def thin_svd(weight: Tensor, rank: int) -> Tuple[Tensor, Tensor]:
    """(M, rank) and (rank, K) whose product is closest to ``weight`` (M, K).

    Raises:
        PruneError: an element is no finite number.
    """
    check_finite(weight)
    u, s, v = torch.linalg.svd(weight.detach().double(), full_matrices=False)
    root = s[:rank].sqrt()
    return (u[:, :rank] * root).to(weight.dtype), (root[:, None] * v[:rank]).to(weight.dtype)


def check_finite(weight: Tensor) -> None:
    if not bool(torch.isfinite(weight).all()):
        raise PruneError("it has elements that are no finite numbers")


def check_rank(rank: int, *sides: int) -> None:
    if not 1 <= rank <= min(sides):
        raise PruneError(
            f"rank {rank} is out of range for a matrix of {' x '.join(map(str, sides[::-1]))}; "
            f"give 1 to {min(sides)}"
        )
