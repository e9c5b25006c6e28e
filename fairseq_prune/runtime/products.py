"""A weight matrix times a few vectors: dense, sparse or int8.

A product holds one matrix W (M, K), or several beside each other, and turns x (N, K) into
x W^T (N, M).
"""

from typing import Callable, Dict, List, Union

from torch import Tensor
from torch.nn import functional as F

from ..engine.library import find_library
from ..engine.stored import DENSE_ABOVE
from .engine_products import EngineProduct, engine_int8, engine_sparse
from .torch_products import TorchInt8, TorchSparse
from .weight import Weight, beside, source_of


class Dense:
    """float32, as ``F.linear``."""

    kind = "dense"

    def __init__(self, weights: List[Weight]):
        self.weight = beside(weights)

    @property
    def nbytes(self) -> int:
        return 4 * self.weight.numel()

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)

    def dense(self) -> Tensor:
        return self.weight


Product = Union[Dense, EngineProduct, TorchSparse, TorchInt8]


def sparse(weights: List[Weight]) -> Product:
    """Only what is kept is stored and multiplied."""
    return (engine_sparse if find_library() else TorchSparse)(weights)


def int8(weights: List[Weight], name: str = "a matrix") -> Product:
    """Weights of eight bits, rounded as ``fairseq-prune pack --values int8`` does."""
    return engine_int8(weights, name) if find_library() else TorchInt8(weights)


KINDS: Dict[str, Callable[[List[Weight]], Product]] = {
    "dense": Dense,
    "sparse": sparse,
    "int8": int8,
}


def sparse_where_smaller(weights: List[Weight]) -> Product:
    """Sparse, or dense where more than half is kept."""
    kept = sum(source_of(weight).kept() for weight in weights)
    total = sum(weight.shape.numel() for weight in weights)
    return (sparse if kept < DENSE_ABOVE * total else Dense)(weights)
