"""How near the code of masks comes to the entropy."""

import math

import numpy as np
import pytest

from fairseq_prune.packed.mask_code import BLOCK, encode_mask

SIZE = 4 * BLOCK
#: Bytes a block: its row of the table, and bits that do not fill a byte.
FRAME = 11


def entropy_bytes(size, p):
    return size * -(p * math.log2(p) + (1 - p) * math.log2(1 - p)) / 8


@pytest.mark.parametrize("p", [0.001, 0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 0.9, 0.99])
def test_independent_masks_take_3_percent_more_than_the_entropy(p):
    mask = np.random.default_rng(0).random(SIZE) < p
    assert encode_mask(mask).size <= 1.03 * entropy_bytes(SIZE, mask.mean()) + SIZE / BLOCK * FRAME


@pytest.mark.parametrize("p", np.linspace(0.02, 0.98, 49))
def test_no_density_takes_5_percent_more(p):
    """At worst a bitmap where 38% is kept or pruned: 1 / H(0.382) = 1.042."""
    mask = np.random.default_rng(1).random(BLOCK) < p
    assert encode_mask(mask).size <= 1.05 * entropy_bytes(BLOCK, mask.mean()) + FRAME


@pytest.mark.parametrize("p", [0, 1])
def test_what_is_kept_or_pruned_whole_takes_the_table_alone(p):
    assert encode_mask(np.full(SIZE, p, bool)).size == SIZE // BLOCK * 9


def test_rows_of_different_density_take_less_than_the_entropy_of_all():
    density = np.linspace(0.9, 0.01, 1000)  # frequent words first
    mask = np.random.default_rng(0).random((1000, 1024)) < density[:, None]
    assert encode_mask(mask.reshape(-1)).size < 0.85 * entropy_bytes(mask.size, mask.mean())
