"""The code of masks against a decoder in plain Python, after the format's description."""

import struct

import numpy as np
import pytest

from fairseq_prune.packed.mask_code import BLOCK, MaskCode, encode_mask

SIZES = (0, 1, 7, 8, 1000, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5)
DENSITIES = (0, 0.001, 0.05, 0.2, 0.5, 0.8, 0.95, 1)
ROW = struct.Struct("<IIB")  # of a block: kept, bytes of the unary part, k


def bits(code):
    """Of bytes, from the lowest of the first, as "0" and "1"."""
    return "".join(f"{byte:08b}"[::-1] for byte in code)


def gaps_of(unary, low, count, k):
    """A gap: as many zeros as ``gap >> k`` before a one, and k bits, the lowest first."""
    high = [len(zeros) for zeros in bits(unary).split("1")[:count]]
    low = bits(low)
    return [(h << k) + int(low[i * k : i * k + k][::-1] or "0", 2) for i, h in enumerate(high)]


def decoded(code, size):
    """The mask (list of bool) of ``size`` positions in ``code`` (bytes)."""
    sizes = [min(BLOCK, size - start) for start in range(0, size, BLOCK)]
    table = [ROW.unpack_from(code, i * ROW.size) for i in range(len(sizes))]
    code, mask = code[len(sizes) * ROW.size :], []
    for size, (kept, unary, k) in zip(sizes, table):
        length = 0
        if kept in (0, size):
            block = [kept > 0] * size
        elif k == 255:
            length = (size + 7) // 8
            block = [bit == "1" for bit in bits(code[:length])[:size]]
        else:
            pruned, k = k >= 64, k % 64
            count = size - kept if pruned else kept
            length = unary + (count * k + 7) // 8
            block, at = [pruned] * size, -1
            for gap in gaps_of(code[:unary], code[unary:length], count, k):
                at += gap + 1
                block[at] = not pruned
        assert sum(block) == kept
        mask, code = mask + block, code[length:]
    assert not code
    return mask


def read(code, size):
    """The mask as ``MaskCode`` gives it, block by block."""
    mask, end = np.zeros(size, bool), 0
    code = MaskCode(np.frombuffer(code, np.uint8), size)
    for start, count, positions in code.blocks():
        assert start == end and positions.dtype == np.int64
        mask[start : start + count][positions] = True
        end += count
    assert end == size and code.kept == mask.sum()
    return mask.tolist()


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("size", SIZES)
def test_masks_are_coded_as_described_and_come_back(size, density):
    mask = np.random.default_rng(size).random(size) < density
    code = encode_mask(mask)
    assert code.dtype == np.uint8
    assert decoded(code.tobytes(), size) == mask.tolist()
    assert read(code.tobytes(), size) == mask.tolist()


@pytest.mark.parametrize("width", [1, 37, 1000])
def test_masks_whose_density_differs_by_row(width):
    rng = np.random.default_rng(width)
    rows = rng.choice([0, 0.001, 0.3, 0.97, 1], size=(200_000 // width, 1))
    mask = (rng.random((len(rows), width)) < rows).reshape(-1)
    code = encode_mask(mask).tobytes()
    assert decoded(code, mask.size) == mask.tolist() == read(code, mask.size)


def bytes_of(bits):
    return bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))


def coded(mask, k, pruned):
    """One block of a mask that is partly kept, with a k of the test's choice."""
    positions = [i for i, keep in enumerate(mask) if keep != pruned]
    gaps = [b - a - 1 for a, b in zip([-1, *positions], positions)]
    unary = "".join("0" * (gap >> k) + "1" for gap in gaps)
    low = "".join(f"{gap % 2**k:0{k}b}"[::-1] if k else "" for gap in gaps)
    unary, low = bytes_of(unary), bytes_of(low)
    return ROW.pack(sum(mask), len(unary), k + 64 * pruned) + unary + low


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("k", [0, 1, 3, 8, 16])
def test_any_k_is_read(k, pruned):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mask = [True, False, *(rng.random(rng.integers(1, 400)) < rng.random())]
        assert read(coded(mask, k, pruned), len(mask)) == mask


def test_a_mask_that_is_not_contiguous():
    mask = np.random.default_rng(0).random(6000) < 0.1
    assert encode_mask(mask[::2]).tobytes() == encode_mask(mask[::2].copy()).tobytes()
    assert decoded(encode_mask(mask[::2]).tobytes(), 3000) == mask[::2].tolist()
