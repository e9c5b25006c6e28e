"""One tensor of a packed file, decoded when it is wanted, piece by piece."""

from typing import Any, Iterator, Mapping, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from ...packed.container import ITEM_SIZES, Container, count_of
from ...packed.mask_code import BLOCK, MaskCode
from ...pruning import PruneError
from .plain import bits
from .values_code import VALUES, dequantize
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

    def __init__(self, container: Container, name: str, said: Mapping[str, Any]):
        """
        Raises:
            PruneError: what is said does not fit what the file has.
        """
        try:
            # a tensor without memory: refuses what no tensor can be
            self.shape = torch.empty(tuple(said["shape"]), device="meta").shape
            self.dtype, self._stored = _TORCH[said["dtype"]], said["dtype"]
            self._lossy: Optional[str] = said.get("values")
            self.recorded: bool = bool(said.get("recorded"))
            self.is_int8 = self._lossy == "int8"
            if self._lossy is not None:
                self._stored = VALUES[self._lossy]
                if len(self.shape) < 2:
                    raise ValueError(self._lossy)
        except (KeyError, TypeError, RuntimeError, ValueError, OverflowError) as error:
            raise PruneError(f"{container.path} is damaged: {name} is described wrongly") from error
        self.name, self.container = name, container
        self._count = count_of(self.shape)
        self.nbytes = self._count * ITEM_SIZES[said["dtype"]]
        self.is_sparse = f"{name}:mask" in container.entries
        self._values = f"{name}:values" if self.is_sparse else name
        self._scales: Optional[np.ndarray] = None
        if self.is_int8:
            self._expect(f"{name}:scales", "F16", (self.shape[0],))
        if self.is_sparse:
            self._expect(f"{name}:mask", "U8", container.entries[f"{name}:mask"][1])
        else:
            self._expect(self._values, self._stored, tuple(self.shape))

    def _expect(self, entry: str, dtype: str, shape: Tuple[int, ...]) -> None:
        if self.container.entries.get(entry) != (dtype, shape):
            raise PruneError(f"{self.container.path} is damaged: {entry} is not as described")

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
        self._expect(self._values, self._stored, (code.kept,))
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
