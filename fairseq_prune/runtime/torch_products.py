"""Sparse and int8 products by torch's kernels, where the engine is not compiled."""

import functools
import logging
import warnings
from contextlib import contextmanager
from typing import Iterator, List, Tuple

import numpy as np
import torch
from torch import Tensor

from .csr import CSR, csr
from .weight import Weight, beside

logger = logging.getLogger("fairseq_prune")

#: Vectors that MKL's product of a CSR matrix and a dense one takes at once: five take longer than
#: eight.
COLUMNS = 8


NOTICE = (
    "the engine is not compiled here: sparse and int8 products are torch's, which are slower; "
    "install a C++ compiler (g++ or clang++), then this package again"
)


@functools.lru_cache(maxsize=None)
def notice_once() -> None:
    """In this process."""
    logger.warning(NOTICE)


@contextmanager
def _quietly() -> Iterator[None]:
    """torch 2.13 means to take quantized tensors away."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class TorchSparse:
    """float32 in compressed sparse rows: only what is kept is stored and multiplied."""

    kind = "sparse"

    def __init__(self, weights: List[Weight]):
        self.weight = csr(weights).tensor()

    def __getstate__(self) -> CSR:
        # torch 1.13 cannot copy its sparse tensors
        w = self.weight
        start = w.crow_indices().numpy().astype(np.int64)
        return CSR(start, w.col_indices().numpy(), w.values().numpy(), w.shape[1])

    def __setstate__(self, rows: CSR) -> None:
        self.weight = rows.tensor()

    @property
    def nbytes(self) -> int:
        return 8 * self.weight.values().numel() + 4 * len(self.weight)

    def __call__(self, x: Tensor) -> Tensor:
        count, width = x.shape
        if count == 0:
            return x.new_empty(0, self.weight.shape[0])
        if count <= 2:  # too few to be worth the padding
            return torch.stack([torch.mv(self.weight, row) for row in x])
        padded = x.new_zeros(width, -(-count // COLUMNS) * COLUMNS)
        padded[:, :count] = x.t()
        # what follows is faster on contiguous numbers than the copy is slow
        return (self.weight @ padded)[:, :count].t().contiguous()

    def dense(self) -> Tensor:
        return self.weight.to_dense()


class TorchInt8:
    """int8 weights with a scale for each output channel; x is quantized anew in each call.

    Rounding as ``fairseq-prune pack --values int8``, so such a file loses nothing further.
    """

    kind = "int8"

    def __init__(self, weights: List[Weight]):
        dense = beside(weights)
        largest = dense.new_zeros(len(dense))
        if dense.numel():
            largest = torch.maximum(dense.amax(dim=1), -dense.amin(dim=1))
        # rows of zeros need a scale, too
        scales = largest.double().clamp_(min=1e-12)
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        with _quietly():
            quantized = torch.quantize_per_channel(dense, scales / 127, zeros, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(quantized, None)

    def __getstate__(self) -> Tuple[Tensor, Tensor]:
        """int8 (M, K) and the scale of each row: what is packed cannot be copied."""
        quantized = torch.ops.quantized.linear_unpack(self.packed)[0]
        return quantized.int_repr(), quantized.q_per_channel_scales()

    def __setstate__(self, state: Tuple[Tensor, Tensor]) -> None:
        numbers, scales = state
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        with _quietly():
            quantized = torch._make_per_channel_quantized_tensor(numbers, scales, zeros, 0)
        self.packed = torch.ops.quantized.linear_prepack(quantized, None)

    @property
    def nbytes(self) -> int:
        return torch.ops.quantized.linear_unpack(self.packed)[0].numel()

    def __call__(self, x: Tensor) -> Tensor:
        # seven bits of x: with eight, processors without VNNI overflow
        y = torch.ops.quantized.linear_dynamic(x, self.packed, reduce_range=True)
        # torch gives what was in memory where there is nothing to add up
        return y if x.shape[1] else torch.zeros_like(y)

    def dense(self) -> Tensor:
        return torch.ops.quantized.linear_unpack(self.packed)[0].dequantize()
