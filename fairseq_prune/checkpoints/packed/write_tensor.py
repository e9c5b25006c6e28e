"""One tensor as entries of a packed file: its mask and the values that are kept."""

from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from ...packed.bound import bound
from ...packed.container import ITEM_SIZES
from ...packed.described import VALUES
from ...packed.mask_code import encode_mask
from ...pruning import PruneError
from .plain import bits
from .values_code import is_lossy_for, quantize, row_scales, to_half
from .write_container import Entry

#: torch's type: safetensors' name.
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip

#: Weights handled at once.
_PIECE = 1 << 20

#: From a range of flat positions to whether each is kept.
Kept = Callable[[int, int], np.ndarray]


def write_tensor(
    name: str, tensor: Tensor, recorded: Optional[Tensor], values: str
) -> Tuple[Dict[str, Any], List[Entry], float]:
    """What a packed file says of a tensor, its entries, and the least bytes they could take.

    ``NAME`` where nothing is left out; else ``NAME:mask`` and ``NAME:values``, those kept in
    the order of the tensor; and ``NAME:scales`` for int8.

    Args:
        recorded: the mask that a checkpoint records, eight to the byte. Without, what has a
            bit set is kept (-0.0 has), if that makes the file smaller.
        values: a key of ``VALUES``.
    Raises:
        PruneError: the type is unknown, or ``values`` cannot hold the numbers.
    """
    said = describe(tensor)
    dtype, scales, entries = said["dtype"], None, []
    if is_lossy_for(values, tensor):
        said["values"], dtype = values, VALUES[values]
        if values == "int8":
            scales = row_scales(tensor, name)
            entries.append(Entry(f"{name}:scales", "F16", scales.shape, [scales]))
    said["recorded"] = recorded is not None
    if recorded is not None or tensor.is_floating_point():
        kept = _nonzero(tensor) if recorded is None else _recorded(recorded)
        mask = _mask(name, tensor, kept)
        count, code = int(np.count_nonzero(mask)), encode_mask(mask)
        if recorded is not None or code.size < (mask.size - count) * ITEM_SIZES[dtype]:
            pieces = _Pieces(name, tensor, dtype, scales, kept)
            entries.append(Entry(f"{name}:mask", "U8", code.shape, [code]))
            entries.append(Entry(f"{name}:values", dtype, (count,), pieces))
            return said, entries, bound(tensor.numel(), count, ITEM_SIZES[dtype])
    whole = Entry(name, dtype, tuple(tensor.shape), _Pieces(name, tensor, dtype, scales, None))
    return said, [*entries, whole], float(whole.size)


def _mask(name: str, tensor: Tensor, kept: Kept) -> np.ndarray:
    """All of ``kept``, flat.

    Raises:
        PruneError: something that is not kept is not zero.
    """
    flat, mask = bits(tensor).numpy(), np.empty(tensor.numel(), np.bool_)
    for start in range(0, mask.size, _PIECE):
        piece = flat[start : start + _PIECE]
        some = mask[start : start + _PIECE] = kept(start, start + piece.size)
        if piece[~some].any():
            raise PruneError(
                f"{name} has weights that are not zero although its mask says they are pruned: "
                f"it was changed after pruning"
            )
    return mask


def describe(tensor: Tensor) -> Dict[str, Any]:
    """Shape and type, for JSON."""
    if tensor.dtype not in DTYPES:
        raise PruneError(f"a tensor of type {tensor.dtype} cannot be packed")
    return {"shape": list(tensor.shape), "dtype": DTYPES[tensor.dtype]}


def _recorded(packed: Tensor) -> Kept:
    """As ``pruning.mask.pack`` packs."""

    def kept(start, stop):
        some = packed[start // 8 : (stop + 7) // 8].numpy()
        return np.unpackbits(some, bitorder="little")[start % 8 :][: stop - start].view(np.bool_)

    return kept


def _nonzero(tensor: Tensor) -> Kept:
    flat = bits(tensor).numpy()
    return lambda start, stop: flat[start:stop] != 0


class _Pieces:
    """The values to write, some rows at a time, made while they are written."""

    def __init__(self, name, tensor, dtype, scales, kept: Optional[Kept]):
        self.name, self.tensor, self.dtype = name, tensor.detach(), dtype
        self.scales, self.kept = scales, kept

    def __iter__(self) -> Iterator[np.ndarray]:
        # a number, or no number at all, is a row of them
        rows = self.tensor if self.tensor.dim() else self.tensor.reshape(1)
        width = max(1, rows[0].numel()) if len(rows) else 1
        step = max(1, _PIECE // width)
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            values = self._coded(some, slice(first, first + step))
            if self.kept is not None:
                start = first * width
                values = values[self.kept(start, start + values.size)]
            yield values

    def _coded(self, rows: Tensor, where: slice) -> np.ndarray:
        if self.scales is not None:
            return quantize(rows, self.scales[where])
        if self.dtype == DTYPES.get(rows.dtype):
            return bits(rows).numpy()
        return to_half(rows, self.name)
