"""A matrix as a tensor train (Oseledets 2011; for layers, Novikov et al. 2015)."""

from math import prod
from typing import List, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..pruning import PruneError
from .low_rank import check_finite
from .modes import modes


class TensorTrain(nn.Module):
    """y = W x + b where W, padded to (m_1 ... m_d) x (n_1 ... n_d), is a train of d cores.

    W[i_1 ... i_d, j_1 ... j_d] = G_1[:, i_1, j_1, :] ... G_d[:, i_d, j_d, :], core k a tensor
    (r_{k-1}, m_k, n_k, r_k), r_0 = r_d = 1 (Novikov et al. 2015, equation 4). Multiplying by
    the cores one by one takes more multiplications than W has, at ranks worth having, so W
    is made of them: in training each time, in evaluation once.
    """

    def __init__(
        self, in_features: int, out_features: int, rank: int, bias: bool = False, order: int = 3
    ):
        """
        Args:
            rank: the largest of r_1 ... r_{d-1}.
            order: d.
        Raises:
            PruneError: rank or order is below 1.
        """
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.rows, self.columns = modes(out_features, order), modes(in_features, order)
        ranks = train_ranks(self.rows, self.columns, rank)
        self.cores = nn.ParameterList(
            nn.Parameter(torch.empty(ranks[k], m, n, ranks[k + 1]))
            for k, (m, n) in enumerate(zip(self.rows, self.columns))
        )
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None
        self._made: Optional[Tuple[tuple, Tensor]] = None  # of which cores, and W
        self.init_(1.0)

    @classmethod
    def from_dense(
        cls, weight: Tensor, bias: Optional[Tensor], rank: int, order: int = 3
    ) -> "TensorTrain":
        """By TT-SVD (Oseledets 2011, algorithm 1), cores scaled to one size.

        Raises:
            PruneError: tensorly is not there, or an element is no finite number.
        """
        check_finite(weight)
        result = cls(weight.shape[1], weight.shape[0], rank, bias is not None, order)
        padded = weight.new_zeros(prod(result.rows), prod(result.columns), dtype=torch.float64)
        padded[: weight.shape[0], : weight.shape[1]] = weight.detach()
        ranks = train_ranks(result.rows, result.columns, rank)
        cores = tt_svd(padded.reshape(*result.rows, *result.columns), ranks)
        sizes = [float(core.square().mean().sqrt()) for core in cores]
        mean = prod(sizes) ** (1 / len(sizes))
        with torch.no_grad():
            for parameter, core, size in zip(result.cores, cores, sizes):
                parameter.copy_(core * (mean / size if size else 1.0))
            if bias is not None and result.bias is not None:
                result.bias.copy_(bias)
        return result

    def init_(self, init_range: float) -> "TensorTrain":
        """Random cores; elements of W vary as those of U(-init_range, init_range)."""
        paths = prod(core.shape[0] for core in self.cores)
        std = (init_range**2 / 3 / paths) ** (0.5 / len(self.cores))
        for core in self.cores:
            nn.init.uniform_(core, -(3**0.5) * std, 3**0.5 * std)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -init_range, init_range)
        return self

    def matrix(self) -> Tensor:
        """W (out, in)."""
        if self.training or torch.is_grad_enabled():
            return self._contract()
        now = tuple((core.data_ptr(), core._version) for core in self.cores)
        if self._made is None or self._made[0] != now:
            self._made = (now, self._contract())
        return self._made[1]

    def train(self, mode: bool = True) -> "TensorTrain":
        # optimizers write through .data, which leaves the version as it was
        self._made = None
        return super().train(mode)

    def _contract(self) -> Tensor:
        whole = self.cores[0].squeeze(0)  # (rows so far, columns so far, rank)
        for core in list(self.cores)[1:]:
            whole = torch.einsum("abr,rmns->ambns", whole, core)
            a, m, b, n, s = whole.shape
            whole = whole.reshape(a * m, b * n, s)
        return whole.squeeze(2)[: self.out_features, : self.in_features]

    def reduce(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        """``x`` and W."""
        return x, self.matrix()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.matrix(), self.bias)

    @property
    def is_plain(self) -> bool:
        """Whether its weights are parameters."""
        return True


def train_ranks(rows: Tuple[int, ...], columns: Tuple[int, ...], rank: int) -> List[int]:
    """r_0 ... r_d: ``rank``, or what the matrices between can have, if that is less."""
    if rank < 1:
        raise PruneError(f"rank {rank} is out of range; give 1 or more")
    sizes = [m * n for m, n in zip(rows, columns)]
    inner = [min(rank, prod(sizes[:k]), prod(sizes[k:])) for k in range(1, len(sizes))]
    return [1, *inner, 1]


def tt_svd(tensor: Tensor, ranks: List[int]) -> List[Tensor]:
    """Cores of a tensor (m_1, ..., m_d, n_1, ..., n_d), by tensorly."""
    try:
        from tensorly.decomposition import tensor_train_matrix
    except ImportError as error:
        raise PruneError(
            "decomposing into a tensor train needs the package tensorly: pip install tensorly"
        ) from error
    train = tensor_train_matrix(tensor.numpy(), rank=list(ranks))
    return [torch.as_tensor(core) for core in train.factors]
