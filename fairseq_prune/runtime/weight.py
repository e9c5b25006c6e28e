"""Weight matrices to multiply, in memory or in a file."""

from typing import List, Union

import torch
from torch import Tensor

from ..checkpoints.lazy import LazyTensor, MappedTensor

#: A weight matrix, in memory or in a file.
Weight = Union[Tensor, LazyTensor]


class InMemory(MappedTensor):
    """A tensor that is not a file's."""

    def _forget(self, start: int) -> None:
        pass


def source_of(weight: Weight):
    """What reads a weight piece by piece."""
    return weight.source if isinstance(weight, LazyTensor) else InMemory(weight)


def beside(weights: List[Weight]) -> Tensor:
    """Matrices (M, K_1), (M, K_2), ... beside each other, float32."""
    # float() of what is decoded is no further copy, nor is cat of one
    decoded = [source_of(weight).decode().float() for weight in weights]
    return torch.cat(decoded, dim=1) if len(decoded) > 1 else decoded[0]
