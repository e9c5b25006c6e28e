"""Weights of all floating-point types: ranked exactly, or refused by name."""

import numpy as np
import pytest
import torch

from fairseq_prune.pruning import PruneError, apply_, prune

pytestmark = pytest.mark.usefixtures("few")

CLASSES = {"a": "one", "b": "two"}


def close_together():
    """float64 of which float32 knows only a few: it would take most for equal."""
    torch.manual_seed(0)
    steps = torch.randperm(600).double()
    signs = torch.where(torch.rand(600) < 0.5, -1.0, 1.0).double()
    weight = signs * (1.0 + steps * 2.0**-45)
    return {"a": weight[:200].view(20, 10), "b": weight[200:].view(40, 10)}


def lowest(scores, k):
    """The first k by score, then place: names and flat indices."""
    ranked = sorted(
        (float(score), place, name, index)
        for place, (name, values) in enumerate(scores.items())
        for index, score in enumerate(np.ravel(values))
    )
    return {(name, index) for _, _, name, index in ranked[:k]}, ranked[k - 1][0]


def gone(masks):
    return {
        (name, index)
        for name, mask in masks.items()
        for index in np.flatnonzero(~mask.numpy().ravel())
    }


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e250, 2.0**-1070])
def test_float64_is_ranked_as_float64(scale):
    weights = {name: weight * scale for name, weight in close_together().items()}
    result = prune(weights, CLASSES, "class-blind", 0.37)
    expected, threshold = lowest({n: np.abs(w.numpy()) for n, w in weights.items()}, 222)
    assert gone(result.masks) == expected and result.threshold == {"": threshold}
    for name, weight in weights.items():
        apply_(weight, result.masks[name])
        assert bool(((weight == 0) == ~result.masks[name]).all())


def test_each_class_and_by_deviation():
    weights = close_together()
    result = prune(weights, CLASSES, "class-uniform", 0.5)
    for name, weight in weights.items():
        expected, _ = lowest({name: np.abs(weight.numpy())}, weight.numel() // 2)
        assert gone({name: result.masks[name]}) == expected
    weights["b"] = weights["b"] * 3
    result = prune(weights, CLASSES, "class-distribution", 0.5)
    scores = {n: np.abs(w.numpy()) / np.std(w.numpy()) for n, w in weights.items()}
    assert gone(result.masks) == lowest(scores, 300)[0]


def test_what_is_pruned_already_stays_and_counts():
    weights = close_together()
    first = prune(weights, CLASSES, "class-blind", 0.2)
    for name, weight in weights.items():
        apply_(weight, first.masks[name])
    again = prune(weights, CLASSES, "class-blind", 0.6, previous=first.masks)
    assert gone(again.masks) == lowest({n: np.abs(w.numpy()) for n, w in weights.items()}, 360)[0]


def test_with_others_beside_it():
    """As exact as float64 for all: none is rounded to what the others are."""
    wide = close_together()
    weights = {"a": wide["a"].clone(), "b": wide["b"].float()}
    weights["b"][0, :5] = 1.0 + 2.0**-23
    result = prune(weights, CLASSES, "class-blind", 0.5)
    scores = {name: np.abs(weight.double().numpy()) for name, weight in weights.items()}
    assert gone(result.masks) == lowest(scores, 300)[0]


def test_in_groups():
    weights = close_together()
    result = prune(weights, CLASSES, "1:2", 0.5)
    for name, weight in weights.items():
        smaller = weight.abs().view(-1, 2).argmin(dim=1)
        pruned = (~result.masks[name]).view(-1, 2)
        assert torch.equal(pruned.int().argmax(dim=1), smaller) and int(pruned.sum(1).max()) == 1


def test_a_weight_that_is_no_number():
    weights = close_together()
    weights["b"][3, 3] = float("nan")
    with pytest.raises(PruneError, match="b holds NaN"):
        prune(weights, CLASSES, "class-blind", 0.5)


@pytest.mark.parametrize("kind", ["sparse", "float8_e4m3fn", "float8_e5m2"])
def test_what_cannot_be_ranked_is_named(kind):
    weights = close_together()
    if kind == "sparse":
        weights["b"] = weights["b"].to_sparse()
    elif hasattr(torch, kind):
        weights["b"] = weights["b"].to(getattr(torch, kind))
    else:
        pytest.skip("this torch has no such type")
    with pytest.raises(PruneError, match=f"b is .*{kind}.*float32"):
        prune(weights, CLASSES, "class-blind", 0.5)
