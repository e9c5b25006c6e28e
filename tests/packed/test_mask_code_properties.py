"""Any mask hypothesis can think of comes back."""

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from fairseq_prune.packed.mask_code import MaskCode, encode_mask  # noqa: E402
from fairseq_prune.pruning import PruneError  # noqa: E402

# reproducible, and no example database left in the checkout
steady = settings(derandomize=True, deadline=None, database=None, max_examples=300)
runs = st.lists(st.tuples(st.integers(0, 90_000), st.booleans()), max_size=6)


def positions_of(code, size):
    return [start + p for start, _, some in MaskCode(code, size).blocks() for p in some.tolist()]


@steady
@given(st.lists(st.booleans(), max_size=200))
def test_short_masks(mask):
    code = encode_mask(np.array(mask, bool))
    assert positions_of(code, len(mask)) == [i for i, keep in enumerate(mask) if keep]
    assert MaskCode(code, len(mask)).kept == sum(mask)


@steady
@given(runs, st.sets(st.integers(0, 539_999), max_size=20))
def test_runs_over_blocks_with_single_positions_changed(runs, changed):
    mask = [keep for length, keep in runs for _ in range(length)]
    for i in changed:
        if i < len(mask):
            mask[i] = not mask[i]
    code = encode_mask(np.array(mask, bool))
    assert positions_of(code, len(mask)) == [i for i, keep in enumerate(mask) if keep]


@steady
@given(
    st.lists(st.booleans(), min_size=1, max_size=200),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_with_other_bytes_it_is_refused_or_another_mask(mask, changes):
    code = encode_mask(np.array(mask, bool)).copy()
    for index, byte in changes:
        code[index % code.size] = byte
    try:
        positions = positions_of(code, len(mask))
        assert len(positions) == MaskCode(code, len(mask)).kept
    except PruneError:
        return
    assert positions == sorted(set(positions)) and set(positions) <= set(range(len(mask)))
