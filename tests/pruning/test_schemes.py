"""Each scheme against a full sort (See et al. 2016, section 3.3)."""

import numpy as np
import pytest
import torch

from fairseq_prune.pruning import SCHEMES, SCORES, Scheme, Score, prune

THREE = ("class-blind", "class-uniform", "class-distribution")
# interleaved: the order of parameters is not the order of classes
CLASSES = {"w0": "softmax", "w1": "layer", "w2": "softmax", "w3": "attention", "w4": "layer"}
SHAPES = {"w0": (6, 7), "w1": (8, 5), "w2": (3, 3), "w3": (4, 4), "w4": (11, 2)}
SPREAD = {"softmax": 1.0, "layer": 0.1, "attention": 0.4}


def make_weights(dtype=torch.float32, seed=0):
    torch.manual_seed(seed)
    return {name: (torch.randn(SHAPES[name]) * SPREAD[CLASSES[name]]).to(dtype) for name in CLASSES}


def tied_weights():
    torch.manual_seed(5)
    return {name: torch.randint(-2, 3, shape).float() / 8 for name, shape in SHAPES.items()}


def same(masks, expected):
    return list(masks) == list(expected) and all(torch.equal(masks[n], expected[n]) for n in masks)


@pytest.mark.parametrize("scheme", THREE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("sparsity", [0.0, 0.013, 0.1, 0.5, 0.8, 0.99, 0.9999])
def test_masks_are_those_of_a_full_sort(scheme, dtype, sparsity, brute_force_masks):
    weights = make_weights(dtype)
    result = prune(weights, CLASSES, scheme, sparsity)
    assert same(result.masks, brute_force_masks(weights, CLASSES, scheme, sparsity))


@pytest.mark.parametrize("scheme", THREE)
@pytest.mark.parametrize("chunk", [3, 1 << 18])
def test_ties_are_those_of_a_stable_sort(scheme, chunk, chunk_of, brute_force_masks):
    chunk_of(chunk)
    weights = tied_weights()
    for sparsity in (0.05, 0.3, 0.55, 0.9):
        result = prune(weights, CLASSES, scheme, sparsity)
        assert same(result.masks, brute_force_masks(weights, CLASSES, scheme, sparsity))


@pytest.mark.parametrize("scheme", THREE)
@pytest.mark.parametrize("value", [0.0, -0.0, 0.1, -3.0])
def test_equal_weights_still_give_the_exact_count(scheme, value, brute_force_masks):
    weights = {name: torch.full(shape, value) for name, shape in SHAPES.items()}
    result = prune(weights, CLASSES, scheme, 0.37)
    assert same(result.masks, brute_force_masks(weights, CLASSES, scheme, 0.37))


@pytest.mark.parametrize("sparsity", [0.0, 0.123, 0.5, 0.9, 0.999])
def test_counts_are_exact(sparsity):
    total = 42 + 40 + 9 + 16 + 22
    for scheme in THREE:
        result = prune(tied_weights(), CLASSES, scheme, sparsity)
        pruned = sum(int((~mask).sum()) for mask in result.masks.values())
        assert result.pruned == pruned and result.weights == total
        if scheme != "class-uniform":
            assert pruned == round(sparsity * total)
        else:
            counts = {c.name: c.pruned for c in result.classes}
            sizes = {"softmax": 51, "layer": 62, "attention": 16}
            assert counts == {name: round(sparsity * n) for name, n in sizes.items()}


def test_class_distribution_prunes_what_is_below_lambda_sigma():
    weights = make_weights()
    result = prune(weights, CLASSES, "class-distribution", 0.6)
    lam = result.threshold[""]
    for weight_class in SPREAD:
        names = [name for name in weights if CLASSES[name] == weight_class]
        values = np.concatenate([weights[name].double().numpy().ravel() for name in names])
        kept = np.concatenate([result.masks[name].numpy().ravel() for name in names])
        cut = lam * values.std()  # population standard deviation
        # room for the rounding of lambda to float32: the threshold itself is pruned
        assert np.array_equal(kept, np.abs(values) > cut * (1 + 1e-6))
        assert 0 < kept.sum() < kept.size
    assert result.pruned == round(0.6 * 129)


def test_class_distribution_follows_the_spread_of_a_class_not_its_mean():
    # far from zero but narrow: 5 sigma and more, so kept to the last
    weights = {"shifted": torch.linspace(9.9, 10.1, 10), "wide": torch.linspace(-100, 100, 10)}
    classes = {name: name for name in weights}
    masks = prune(weights, classes, "class-distribution", 0.5).masks
    assert masks["shifted"].all() and not masks["wide"].any()


def test_class_distribution_of_denormal_weights(brute_force_masks):
    steps = torch.tensor([0.0, 1.0, 3.0, -2.0, 9.0, 0.0]) * 1e-42
    weights = {"tiny": steps, "large": torch.linspace(-1, 1, 6)}
    classes = {name: name for name in weights}
    for sparsity in (0.25, 0.5, 0.75):
        result = prune(weights, classes, "class-distribution", sparsity)
        assert same(
            result.masks, brute_force_masks(weights, classes, "class-distribution", sparsity)
        )


def test_class_distribution_of_a_class_whose_sigma_is_no_float32():
    # all but one weight zero and that one the smallest denormal: sigma is below any float32
    weights = {"tiny": torch.tensor([0.0, 0.0, 0.0, 0.0, 1e-45]), "large": torch.ones(5)}
    weights["large"][0] = -1
    classes = {name: name for name in weights}
    assert prune(weights, classes, "class-distribution", 0.4).pruned == 4


def test_a_new_score_is_a_new_criterion(monkeypatch):
    def largest_first(inputs):
        return {name: lambda piece, position: 1 / (1 + piece.abs()) for name in inputs.weights}

    monkeypatch.setitem(SCORES, "largest-first", Score(largest_first))
    weights = {"w": torch.tensor([1.0, -9.0, 2.0, 5.0]), "v": torch.tensor([0.0, 3.0])}
    result = prune(weights, {"w": "w", "v": "v"}, "class-uniform", 0.5, score="largest-first")
    assert result.masks["w"].tolist() == [True, False, True, False]
    assert result.masks["v"].tolist() == [True, False]
    assert (result.scheme, result.score) == ("class-uniform", "largest-first")


def test_a_new_scope_is_a_new_scheme(monkeypatch):
    by_side = Scheme(scope=lambda weight_class: weight_class.split()[0])
    monkeypatch.setitem(SCHEMES, "by-side", by_side)
    weights = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([8.0, 9.0]), "c": torch.ones(4)}
    classes = {"a": "source layer 1", "b": "source layer 2", "c": "target layer 1"}
    result = prune(weights, classes, "by-side", 0.5)
    assert [result.masks[name].tolist() for name in "abc"] == [
        [False, False],
        [True, True],
        [False, False, True, True],
    ]
    assert result.threshold == {"source": 2.0, "target": 1.0}
