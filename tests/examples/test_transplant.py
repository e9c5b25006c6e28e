"""The transplant of class counts, against two prunings put together by hand."""

import pytest
import torch

from fairseq_prune.pruning import NO_FLOORS, members, prune

CLASSES = {"a": "small", "b": "large", "c": "small"}


@pytest.mark.parametrize("sparsity", [0.3, 0.8])
@pytest.mark.parametrize("counts, order", [("fisher", "magnitude"), ("magnitude", "fisher")])
def test_counts_of_one_and_order_of_the_other(own_scores, counts, order, sparsity):
    generator = torch.Generator().manual_seed(0)
    sizes = {"a": 1.0, "b": 3.0, "c": 0.5}
    weights = {n: s * torch.randn(20, 9, generator=generator) for n, s in sizes.items()}
    statistics = {n: torch.rand(20, 9, generator=generator) / s**6 for n, s in sizes.items()}

    def pruned(scheme, score, sparsity, weights=weights):
        few = {name: CLASSES[name] for name in weights}
        return prune(weights, few, scheme, sparsity, score=score, floors=NO_FLOORS,
                     statistics=statistics).masks  # fmt: skip

    found = pruned("class-blind", f"counts-of-{counts}", sparsity)
    lengths = pruned("class-blind", counts, sparsity)
    assert not all(torch.equal(found[n], lengths[n]) for n in weights)
    for names in members(CLASSES).values():
        own = {name: weights[name] for name in names}
        gone = sum(int((~lengths[name]).sum()) for name in names)
        expected = pruned("class-uniform", order, gone / (180 * len(names)), own)
        assert all(torch.equal(found[name], expected[name]) for name in names)
