"""What prune() says of its result, and what it refuses."""

import pytest
import torch

from fairseq_prune.pruning import PruneError, prune

THREE = ("class-blind", "class-uniform", "class-distribution")
CLASSES = {"w0": "softmax", "w1": "layer", "w2": "softmax"}
TOTAL = 42 + 40 + 9


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return {"w0": torch.randn(6, 7), "w1": torch.randn(8, 5) / 10, "w2": torch.randn(3, 3)}


def of_class(tensors, weight_class):
    return torch.cat([tensors[n].flatten() for n, c in CLASSES.items() if c == weight_class])


@pytest.mark.parametrize("scheme", THREE)
def test_a_threshold_is_the_largest_pruned_score_of_its_ranking(weights, scheme):
    result = prune(weights, CLASSES, scheme, 0.4)
    largest = {}
    for weight_class in ("softmax", "layer"):
        score = of_class(weights, weight_class).double()
        sigma = score.std(unbiased=False) if scheme == "class-distribution" else 1.0
        pruned = (score.abs() / sigma)[~of_class(result.masks, weight_class)]
        ranking = weight_class if scheme == "class-uniform" else ""
        largest[ranking] = max(largest.get(ranking, 0.0), float(pruned.max()))
    assert result.threshold == pytest.approx(largest, rel=1e-6)


@pytest.mark.parametrize("chunk", [5, 1 << 18])
def test_the_summary_of_each_class(weights, chunk, chunk_of):
    chunk_of(chunk)
    result = prune(weights, CLASSES, "class-blind", 0.5)
    assert [c.name for c in result.classes] == ["softmax", "layer"]
    for summary in result.classes:
        size = of_class(weights, summary.name).abs()
        gone = ~of_class(result.masks, summary.name)
        assert (summary.weights, summary.pruned) == (size.numel(), int(gone.sum()))
        assert summary.sparsity == int(gone.sum()) / size.numel()
        assert summary.mean_magnitude == pytest.approx(float(size.mean()), rel=1e-5)
        assert summary.largest == float(size.max())
        assert summary.largest_pruned == float(size[gone].max())
    assert (result.weights, result.pruned) == (TOTAL, round(0.5 * TOTAL))
    assert result.sparsity == round(0.5 * TOTAL) / TOTAL


def test_a_class_that_keeps_everything_has_no_largest_pruned():
    weights = {"small": torch.zeros(4), "big": torch.ones(4)}
    result = prune(weights, {"small": "small", "big": "big"}, "class-blind", 0.5)
    assert [c.largest_pruned for c in result.classes] == [0.0, None]


def test_masks_come_in_the_order_of_the_weights(weights):
    assert list(prune(weights, CLASSES, "class-uniform", 0.5).masks) == ["w0", "w1", "w2"]


@pytest.mark.parametrize("scheme", THREE)
def test_weights_stay_as_they_are(weights, scheme):
    before = {name: weight.clone() for name, weight in weights.items()}
    prune(weights, CLASSES, scheme, 0.7)
    assert all(torch.equal(weights[name], before[name]) for name in weights)


def test_classes_of_other_parameters_do_not_matter(weights):
    result = prune(weights, {"norm": "layer", **CLASSES}, "class-uniform", 0.5)
    assert result.weights == TOTAL


def test_a_parameter_without_elements_is_no_obstacle():
    weights = {"none": torch.empty(0, 4), "some": torch.tensor([3.0, 1.0])}
    masks = prune(weights, {"none": "a", "some": "a"}, "class-blind", 0.5).masks
    assert masks["some"].tolist() == [True, False] and masks["none"].shape == (0, 4)


def test_an_unknown_scheme_is_refused_with_the_choices(weights):
    with pytest.raises(PruneError, match=r"scheme class-bland.*class-blind.*-uniform"):
        prune(weights, CLASSES, "class-bland", 0.5)


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 80, float("nan"), float("inf")])
def test_a_sparsity_outside_0_to_1_is_refused(weights, sparsity):
    with pytest.raises(PruneError, match="sparsity"):
        prune(weights, CLASSES, "class-blind", sparsity)


def test_no_weights_are_refused():
    with pytest.raises(PruneError, match="nothing to prune"):
        prune({}, {}, "class-blind", 0.5)


@pytest.mark.parametrize("scheme", THREE)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_refused_by_name(weights, scheme, bad):
    weights["w1"][2, 1] = bad
    with pytest.raises(PruneError, match="w1"):
        prune(weights, CLASSES, scheme, 0.5)


@pytest.mark.parametrize("scheme", THREE)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_of_two_parameters_in_a_class_the_sick_one_is_named(weights, scheme, bad):
    weights["w2"][0, 0] = bad
    with pytest.raises(PruneError, match="w2"):
        prune(weights, CLASSES, scheme, 0.5)
