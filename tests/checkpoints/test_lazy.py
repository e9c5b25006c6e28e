"""Tensors that are read when they are used, in what torch is given."""

import torch

from fairseq_prune.checkpoints.lazy import LazyTensor, MappedTensor


def test_in_lists_of_tensors():
    """As stock fairseq 0.12.2 puts a transformer's projections together while it loads them."""
    parts = [torch.randn(2, 3), torch.randn(1, 3)]
    lazy = [LazyTensor(MappedTensor(part)) for part in parts]
    assert torch.equal(torch.cat(lazy), torch.cat(parts))
    assert torch.equal(torch.cat(tensors=tuple(lazy), dim=0), torch.cat(parts))
    assert torch.equal(torch.cat((lazy[0], parts[1])), torch.cat(parts))
    assert torch.equal(torch.add(lazy[0], other=lazy[0]), 2 * parts[0])
