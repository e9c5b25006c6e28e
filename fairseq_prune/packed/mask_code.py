"""Masks in few bits: a bitmap, or Rice-coded gaps between kept weights, block by block.

The distance from one kept weight to the next is geometric where weights are kept independently,
and for that Rice codes (Rice and Plaunt 1971; Golomb 1966 with powers of two) are within 3.4% of
the entropy (4.3% where 36% to 40% is kept or pruned). A gap g is g >> k in unary and its k lowest
bits. The unary parts of a block lie together and the low bits lie together, so both ends are array
operations. Each block has its own k, or a bitmap, whichever is smaller: density differs by row
(rare words), and that is taken in, too. Where most is kept, the gaps are those between pruned
weights.
"""

from dataclasses import dataclass, field
from typing import Iterator, List, Tuple

import numpy as np

from ..errors import PruneError

#: Weights of a block.
BLOCK = 1 << 17
#: What stands in place of k for a bitmap; what is added to k where pruned weights are coded.
BITMAP, PRUNED = 255, 64
MAX_K = 16

#: Of each block: weights kept, bytes of the unary part, k.
_TABLE = np.dtype([("kept", "<u4"), ("unary", "<u4"), ("k", "u1")])


def encode_mask(kept: np.ndarray) -> np.ndarray:
    """The code (uint8) of a flat bool mask."""
    blocks = [kept[start : start + BLOCK] for start in range(0, kept.size, BLOCK)]
    table = np.zeros(len(blocks), _TABLE)
    parts = [_encode_block(block, row) for block, row in zip(blocks, table)]
    return np.concatenate([table.view(np.uint8), *parts])


def _encode_block(kept: np.ndarray, row) -> np.ndarray:
    row["kept"] = count = np.count_nonzero(kept)
    if count in (0, kept.size):
        return np.empty(0, np.uint8)
    rare = count <= kept.size // 2
    positions = np.flatnonzero(kept if rare else ~kept)
    gaps = np.diff(positions, prepend=-1) - 1
    k = _best_k(gaps)
    if _rice_bytes(gaps, k) >= (kept.size + 7) // 8:
        row["k"] = BITMAP
        return np.packbits(kept, bitorder="little")
    ends = np.cumsum((gaps >> k) + 1)
    unary = np.zeros(int(ends[-1]), np.bool_)
    unary[ends - 1] = True
    low = ((gaps[:, None] >> np.arange(k)) & 1).astype(np.bool_)
    row["k"] = k if rare else k + PRUNED
    packed = np.packbits(unary, bitorder="little")
    row["unary"] = packed.size
    return np.concatenate([packed, np.packbits(low.reshape(-1), bitorder="little")])


def _rice_bytes(gaps: np.ndarray, k: int) -> int:
    return (int((gaps >> k).sum()) + gaps.size + 7) // 8 + (gaps.size * k + 7) // 8


def _best_k(gaps: np.ndarray) -> int:
    """The cost has one minimum over k, near log2 of the mean gap: go down from there."""
    k = min(MAX_K, int(gaps.mean() + 1).bit_length())
    while k > 0 and _rice_bytes(gaps, k - 1) <= _rice_bytes(gaps, k):
        k -= 1
    return k


@dataclass(frozen=True)
class MaskCode:
    """A mask of ``weights`` positions in the code ``data`` (uint8).

    Attributes:
        kept: how many are kept.
    """

    data: np.ndarray
    weights: int
    kept: int = field(init=False, repr=False, compare=False)
    _rows: List[tuple] = field(init=False, repr=False, compare=False)  # of its table

    def __post_init__(self):
        rows = -(-self.weights // BLOCK)
        if self.data.size < rows * _TABLE.itemsize:
            raise PruneError("a mask is shorter than its table")
        table = self.data[: rows * _TABLE.itemsize].view(_TABLE)
        sizes = np.full(rows, BLOCK, np.int64)
        if rows:
            sizes[-1] = self.weights - (rows - 1) * BLOCK
        kept, unary, k = (table[name].astype(np.int64) for name in ("kept", "unary", "k"))
        partly = (kept > 0) & (kept < sizes)
        bitmap, rare = k == BITMAP, k < PRUNED
        count, k = np.where(rare, kept, sizes - kept), np.where(rare, k, k - PRUNED)
        code = np.where(bitmap, (sizes + 7) // 8, unary + (count * k + 7) // 8) * partly
        too_long = unary > (sizes + 7) // 8  # a unary part has no more bits than positions
        if (kept > sizes).any() or (~bitmap & (k > MAX_K)).any() or too_long.any():
            raise PruneError("the table of a mask says what cannot be")
        if int(code.sum()) != self.data.size - rows * _TABLE.itemsize:
            raise PruneError("a mask is not as long as its table says")
        # frozen: set once
        object.__setattr__(self, "kept", int(kept.sum()))
        columns = (sizes, kept, unary, k, code, bitmap, rare)
        object.__setattr__(self, "_rows", list(zip(*(c.tolist() for c in columns))))

    def blocks(self) -> Iterator[Tuple[int, int, np.ndarray]]:
        """For each block: its first position, its size, the positions kept in it (int64, from 0).

        Raises:
            PruneError: the code is damaged.
        """
        at = len(self._rows) * _TABLE.itemsize
        for index, (size, kept, unary, k, length, bitmap, rare) in enumerate(self._rows):
            code = self.data[at : at + length]
            at += length
            if kept in (0, size):
                positions = np.arange(kept)
            elif bitmap:
                positions = np.flatnonzero(np.unpackbits(code, count=size, bitorder="little"))
            elif rare:
                positions = _decode_rice(code[:unary], code[unary:], kept, k, size)
            else:
                pruned = _decode_rice(code[:unary], code[unary:], size - kept, k, size)
                everything = np.ones(size, np.bool_)
                everything[pruned] = False
                positions = np.flatnonzero(everything)
            if positions.size != kept:
                raise PruneError("the code of a mask is damaged")
            yield index * BLOCK, size, positions


def _decode_rice(unary: np.ndarray, low: np.ndarray, count: int, k: int, size: int) -> np.ndarray:
    ends = np.flatnonzero(np.unpackbits(unary, bitorder="little"))
    if ends.size != count:
        raise PruneError("the code of a mask is damaged")
    gaps = (np.diff(ends, prepend=-1) - 1) << k
    bits = np.unpackbits(low, count=count * k, bitorder="little").reshape(count, k)
    for bit in range(k):
        gaps += bits[:, bit].astype(np.int64) << bit
    positions = np.cumsum(gaps + 1) - 1
    if positions[-1] >= size:
        raise PruneError("the code of a mask is damaged")
    return positions
