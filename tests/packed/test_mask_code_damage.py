"""Codes of masks that say what cannot be."""

import struct

import numpy as np
import pytest

from fairseq_prune.packed.mask_code import BLOCK, MaskCode, encode_mask
from fairseq_prune.pruning import PruneError

ROW = struct.Struct("<IIB")


def refused(code, size):
    """What is said of a code (bytes), at once or when it is decoded."""
    with pytest.raises(PruneError) as error:
        list(MaskCode(np.frombuffer(code, np.uint8), size).blocks())
    return str(error.value)


def code_of(size=BLOCK + 1000, density=0.05):
    mask = np.random.default_rng(0).random(size) < density
    return encode_mask(mask).tobytes()


@pytest.mark.parametrize("density", [0.05, 0.5, 0.95])
def test_too_short_or_too_long(density):
    code = code_of(density=density)
    for length in (0, 1, 8, 9, 17, 18, 19, len(code) // 2, len(code) - 1):
        assert "mask" in refused(code[:length], BLOCK + 1000)
    assert "long" in refused(code + b"\0", BLOCK + 1000)


def test_another_number_of_weights():
    for size in (0, BLOCK, BLOCK + 100, 2 * BLOCK + 1, 2**60):
        assert "mask" in refused(code_of(), size)


@pytest.mark.parametrize("density", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("change", [-1, 1, BLOCK, 2**31])
def test_another_number_of_kept_weights(density, change):
    code = code_of(BLOCK, density)
    kept, unary, k = ROW.unpack_from(code)
    assert "mask" in refused(ROW.pack((kept + change) % 2**32, unary, k) + code[9:], BLOCK)


@pytest.mark.parametrize("k", [17, 63, 64 + 17, 254])
def test_a_k_that_is_not_written(k):
    code = code_of(BLOCK)
    assert "cannot be" in refused(ROW.pack(*ROW.unpack_from(code)[:2], k) + code[9:], BLOCK)


@pytest.mark.parametrize(
    "unary, k, low, size",
    [
        (0b00000001, 3, [0b101], 5),  # a gap of 5
        (0b00100000, 0, [], 5),  # the same in unary
        (0b00000001, 16, [0xFF, 0xFF], 65535),
    ],
)
@pytest.mark.parametrize("pruned", [False, True])
def test_a_position_past_the_end(unary, k, low, size, pruned):
    kept = size - 1 if pruned else 1
    code = ROW.pack(kept, 1, k + 64 * pruned) + bytes([unary, *low])
    assert "damaged" in refused(code, size)
    # one position more, and it is there
    code = ROW.pack(kept + pruned, *ROW.unpack_from(code)[1:]) + code[9:]
    ((_, _, positions),) = MaskCode(np.frombuffer(code, np.uint8), size + 1).blocks()
    assert positions.tolist() == (list(range(size)) if pruned else [size])


def test_a_unary_part_longer_than_the_mask():
    """Refused by its length, before its bits are looked at."""
    code = ROW.pack(1, 1 << 20, 0) + bytes([1]) + bytes((1 << 20) - 1)
    assert "cannot be" in refused(code, 1000)
