"""A word embedding of low rank."""

import torch
from torch import Tensor, nn

from .low_rank import check_rank, thin_svd


class LowRankEmbedding(nn.Module):
    """Narrow embeddings and what widens them.

    Attributes:
        table: (V, rank), the padding's row zero.
        up: (dim, rank), without bias.
    """

    def __init__(self, num_embeddings: int, dim: int, rank: int, padding_idx: int):
        """
        Raises:
            PruneError: the rank is not between 1 and the table's smaller side.
        """
        super().__init__()
        check_rank(rank, dim, num_embeddings)
        self.table = nn.Embedding(num_embeddings, rank, padding_idx)
        self.up = nn.Linear(rank, dim, bias=False)

    @classmethod
    def from_dense(cls, weight: Tensor, rank: int, padding_idx: int) -> "LowRankEmbedding":
        """The closest in the Frobenius norm to a table (V, dim)."""
        result = cls(weight.shape[0], weight.shape[1], rank, padding_idx)
        table, up = thin_svd(weight, rank)
        with torch.no_grad():
            result.table.weight.copy_(table)
            result.table.weight[padding_idx] = 0
            result.up.weight.copy_(up.T)
        return result

    def init_(self, init_range: float) -> "LowRankEmbedding":
        """Random factors; elements of their product vary as those of U(-init_range, init_range)."""
        std = (init_range**2 / 3 / self.up.in_features) ** 0.25
        for weight in (self.table.weight, self.up.weight):
            nn.init.uniform_(weight, -(3**0.5) * std, 3**0.5 * std)
        nn.init.zeros_(self.table.weight[self.table.padding_idx])
        return self

    def forward(self, words: Tensor) -> Tensor:
        """(..., dim) of words (...)."""
        return self.up(self.table(words))
