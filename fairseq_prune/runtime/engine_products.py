"""Sparse and int8 products by the engine's kernels."""

from typing import List, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from ..checkpoints.lazy import MappedTensor
from ..checkpoints.packed.plain import bits
from ..checkpoints.packed.read_tensor import PackedTensor
from ..checkpoints.packed.values_code import quantize, row_scales
from ..engine.library import Stored, check, library
from ..engine.matrix import ALWAYS_SPARSE, Matrix
from ..engine.stored import stored_in_file, stored_in_memory
from ..models.stepped_lstm import State
from ..pruning import PruneError
from .weight import Weight, source_of

_NAMES = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
}  # fmt: skip
#: Weights that are rounded at once.
_PIECE = 1 << 20


class EngineProduct:
    """Matrices (M, K_1), (M, K_2), ... beside each other; what they make is added up.

    Attributes:
        kind: "sparse" or "int8".
        matrices: those.
    """

    def __init__(self, kind: str, matrices: List[Matrix]):
        self.kind, self.matrices = kind, matrices
        self._widths = [matrix.shape[1] for matrix in matrices]

    @property
    def nbytes(self) -> int:
        return sum(matrix.nbytes for matrix in self.matrices)

    def __call__(self, x: Tensor) -> Tensor:
        # nothing but a check unless it has changed
        library().engine_threads(torch.get_num_threads())
        if len(self.matrices) == 1:
            return self._multiply(self.matrices[0], x)
        first, *others = map(self._multiply, self.matrices, x.split(self._widths, dim=1))
        for y in others:
            first += y
        return first

    def lstm(self, x: Tensor, bias: Optional[Tensor], state: State) -> Tuple[Tensor, State]:
        """A layer of an LSTM all of whose steps are known; the matrices are input and recurrent.

        Args:
            x: (T, B, I).
            bias: (4H,), of gates i, f, g, o.
            state: h and c (B, H).
        Returns:
            the output (T, B, H), and h and c after the last step.
        """
        first, recurrent = self.matrices
        if x.shape[2] != first.shape[1]:
            raise RuntimeError(f"vectors of {x.shape[2]} for a matrix of {first.shape[1]} columns")
        shape = (x.shape[1], recurrent.shape[1])
        if any(part.shape != shape for part in state):
            raise RuntimeError(f"a state of {[tuple(part.shape) for part in state]}, not {shape}")
        x, kept = x.float().contiguous(), torch.contiguous_format
        h, c = (part.float().clone(memory_format=kept) for part in state)
        y = torch.empty(*x.shape[:2], recurrent.shape[1])
        library().engine_threads(torch.get_num_threads())
        check(
            library().engine_lstm(
                first.handle, recurrent.handle, None if bias is None else bias.data_ptr(),
                x.shape[0], x.shape[1], *(tensor.data_ptr() for tensor in (x, y, h, c)),
            )
        )  # fmt: skip
        return y, (h, c)

    @staticmethod
    def _multiply(matrix: Matrix, x: Tensor) -> Tensor:
        (rows, columns), (count, width) = matrix.shape, x.shape
        if width != columns:
            raise RuntimeError(f"vectors of {width} for a matrix of {columns} columns")
        x, y = x.float().contiguous(), torch.empty(count, rows)
        matrix.multiply(x.data_ptr(), count, y.data_ptr())
        return y

    def dense(self) -> Tensor:
        return torch.cat([torch.from_numpy(matrix.dense()) for matrix in self.matrices], dim=1)


def engine_sparse(weights: List[Weight]) -> EngineProduct:
    """Only what is kept is stored and multiplied, in the numbers that the file has it in."""
    return EngineProduct("sparse", [_read(weight, ALWAYS_SPARSE) for weight in weights])


def engine_int8(weights: List[Weight], name: str) -> EngineProduct:
    """int8 weights with a scale for each output channel, sparse where two fifths or less are kept.

    Args:
        name: what messages call them.
    Raises:
        PruneError: a weight is not finite, or too large.
    """
    return EngineProduct("int8", [_rounded(weight, name) for weight in weights])


def _read(weight: Weight, dense_above: Optional[float]) -> Matrix:
    """From where it lies: no dense copy is made."""
    source = source_of(weight)
    if isinstance(source, PackedTensor) and source.dtype in _NAMES:
        container = source.container
        try:
            return Matrix(stored_in_file(container, source.name, source.shape), dense_above)
        except PruneError as error:
            raise PruneError(f"{container.path}: {error}") from error
    tensor = source.decode() if isinstance(source, PackedTensor) else source.tensor
    stored, _kept = stored_tensor(tensor)
    matrix = Matrix(stored, dense_above)
    if isinstance(source, MappedTensor):
        source.forget()
    return matrix


def stored_tensor(tensor: Tensor) -> Tuple[Stored, np.ndarray]:
    """A matrix of torch's as the engine reads it, and what must stay in memory meanwhile."""
    tensor = tensor if tensor.dtype in _NAMES else tensor.float()
    values = bits(tensor).numpy()
    return stored_in_memory(tensor.shape, _NAMES[tensor.dtype], values), values


def _rounded(weight: Weight, name: str) -> Matrix:
    """As ``fairseq-prune pack --values int8`` rounds it: such a file loses nothing further."""
    source = source_of(weight)
    if getattr(source, "is_int8", False) or weight.numel() == 0:
        return _read(weight, None)
    dense = source.decode()
    scales = row_scales(dense, name)
    values = np.empty(dense.shape, np.int8)
    step = max(1, _PIECE // dense.shape[1])
    for first in range(0, len(dense), step):
        some = slice(first, first + step)
        values[some] = quantize(dense[some], scales[some]).reshape(-1, dense.shape[1])
    return Matrix(stored_in_memory(dense.shape, "I8", values, scales))
