"""Zeros for all tensors of a parameter at once, against ``torch.where``."""

import pytest
import torch

from fairseq_prune.optim import zeroing
from fairseq_prune.optim.zeroing import zero_all_
from fairseq_prune.pruning import keep_bits


def numbers(count, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(count, generator=generator)
    made[::7], made[1::11], made[2::13] = -0.0, float("nan"), -float("inf")
    return made.to(dtype)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("count", [0, 1, 31, 32, 97, 40_000, 100_003])
def test_all_become_zero(count, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(zeroing, "find_library", lambda: None)
    mask = torch.rand(count, generator=torch.Generator().manual_seed(1)) < 0.3
    # one that begins in the middle of a vector, one of another type, one that has zeros already
    tensors = [
        numbers(count + 3)[3:],
        numbers(count, torch.float16, 2),
        numbers(count, torch.float64, 3),
        torch.where(mask, numbers(count, seed=4), torch.zeros(())),
    ]
    expected = [torch.where(mask, t, torch.zeros((), dtype=t.dtype)) for t in tensors]
    zero_all_(tensors, keep_bits(mask))
    integers = {2: torch.int16, 4: torch.int32, 8: torch.int64}
    for tensor, other in zip(tensors, expected):  # every bit, also of what is no number
        kind = integers[tensor.element_size()]
        assert torch.equal(tensor.contiguous().view(kind), other.view(kind))


def test_what_is_beside_stays():
    around = torch.ones(200)
    zero_all_([around[50:150]], keep_bits(torch.zeros(100, dtype=torch.bool)))
    assert around.sum() == 100
    assert around[50:150].abs().sum() == 0


def test_a_transposed_one():
    matrix = torch.ones(6, 5).t()
    mask = torch.arange(30) % 3 == 0
    zero_all_([matrix], keep_bits(mask))
    assert torch.equal(matrix, mask.view(5, 6).float())
