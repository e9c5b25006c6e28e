"""One tensor of a packed file, decoded when it is wanted, piece by piece."""

from typing import Iterator, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from ...packed.container import Container
from ...packed.described import Described, expect
from ...packed.mask_code import BLOCK, MaskCode
from .plain import bits
from .values_code import dequantize
from .write_tensor import DTYPES

#: First flat position of a piece, its size, the positions kept in it (from 0; None for all),
#: their values as bits.
Piece = Tuple[int, int, Optional[np.ndarray], np.ndarray]

_TORCH = {name: dtype for dtype, name in DTYPES.items()}


class PackedTensor:
    """A tensor in a packed file; nothing of it is in memory but what its header says.

    Attributes:
        shape: as unpacked.
        dtype: as unpacked.
        nbytes: as unpacked.
        recorded: whether the mask is that of a pruning.
        is_int8: whether its values were rounded to eight bits.
        container, name: the file, and where in it the tensor is.
    """

    def __init__(self, container: Container, described: Described):
        self.container, self._described = container, described
        self.name, self.nbytes, self._lossy = described.name, described.nbytes, described.lossy
        self.shape, self.dtype = torch.Size(described.shape), _TORCH[described.dtype]
        self.recorded, self.is_sparse = described.recorded, described.is_sparse
        self.is_int8 = described.lossy == "int8"
        self._count, self._values = described.count, described.values
        self._scales: Optional[np.ndarray] = None

    def pieces(self) -> Iterator[Piece]:
        """What is kept, piece by piece.

        Raises:
            PruneError: the file is damaged.
        """
        done = 0
        for start, size, positions in self._kept():
            count = size if positions is None else positions.size
            raw = self.container.read(self._values, done, count)
            done += count
            if self._lossy is not None:
                where = np.arange(size) if positions is None else positions
                raw = self._as_before(raw, start + where)
            yield start, size, positions, raw

    def _kept(self):
        if self.is_sparse:
            yield from self.mask_code().blocks()
        else:
            for start in range(0, self._count, BLOCK):
                yield start, min(BLOCK, self._count - start), None

    def kept(self) -> int:
        """How many elements are stored."""
        return self.mask_code().kept if self.is_sparse else self._count

    def mask_code(self) -> MaskCode:
        """The mask, still coded; only where ``is_sparse``."""
        code = MaskCode(self.container.read(f"{self.name}:mask"), self._count)
        expect(self.container, self._values, self._described.stored, (code.kept,))
        return code

    def packed_mask(self) -> Tensor:
        """The mask, eight positions to the byte, as ``pruning.mask.pack`` packs."""
        code = self.mask_code()
        packed = np.zeros((self._count + 7) // 8, np.uint8)
        for start, size, positions in code.blocks():
            kept = np.zeros(size, np.bool_)
            kept[positions] = True
            some = np.packbits(kept, bitorder="little")
            packed[start // 8 : start // 8 + some.size] = some
        return torch.from_numpy(packed)

    def _as_before(self, raw: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Bits of ``dtype`` of values that were stored in less."""
        if self.is_int8:
            if self._scales is None:
                self._scales = self.container.read(f"{self.name}:scales")
            numbers = dequantize(raw, positions // (self._count // self.shape[0]), self._scales)
        else:
            numbers = raw.view(np.float16).astype(np.float32)
        return bits(torch.from_numpy(numbers).to(self.dtype)).numpy()

    def decode(self, out: Optional[Tensor] = None) -> Tensor:
        """The tensor, dense; in ``out`` (contiguous, same shape and type) if given.

        Raises:
            PruneError: the file is damaged.
        """
        tensor = torch.zeros(self.shape, dtype=self.dtype) if out is None else out.zero_()
        words = bits(tensor).numpy()
        for start, size, positions, raw in self.pieces():
            words[start : start + size][slice(None) if positions is None else positions] = raw
        return tensor
