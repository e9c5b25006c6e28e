"""Weight matrices as products of smaller ones, in plain torch: low rank and tensor trains.

>>> small = LowRank.from_dense(linear.weight, linear.bias, rank=64)
>>> small(x)  # about linear(x)
"""

from typing import Dict, Type, Union

from .embedding import LowRankEmbedding
from .low_rank import LowRank
from .tensor_train import TensorTrain

#: By the name that ``--factorization`` takes.
FORMS: Dict[str, Union[Type[LowRank], Type[TensorTrain]]] = {
    "low-rank": LowRank,
    "tensor-train": TensorTrain,
}

__all__ = ["FORMS", "LowRank", "LowRankEmbedding", "TensorTrain"]
