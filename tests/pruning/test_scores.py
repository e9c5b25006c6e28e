"""Scores made of weights alone, against their formulas written out; names and options of all."""

import inspect
import math

import numpy as np
import pytest
import torch

from fairseq_prune.pruning import (
    SCHEMES,
    SCORES,
    Inputs,
    PruneError,
    Score,
    find_score,
    prune,
    scores_of,
)

CLASSES = {"a": "x", "b": "x", "c": "y"}


def weights(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a": (30, 20), "b": (7, 11), "c": (40, 10)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def scores(name, inputs):
    scorers = find_score(name).scorers(inputs)
    return {n: scores_of(scorers[n], w) for n, w in inputs.weights.items()}


def kept(masks):
    return {name: int(mask.sum()) for name, mask in masks.items()}


class TestLamp:
    def test_it_is_the_square_over_the_sum_of_squares_from_it_on(self):
        w = weights()
        for name, found in scores("lamp", Inputs(w, CLASSES)).items():
            values = w[name].double().flatten().numpy()
            expected = [v * v / np.sum(values[np.abs(values) >= abs(v)] ** 2) for v in values]
            assert np.allclose(found.flatten().numpy(), expected, rtol=1e-6, atol=0)

    def test_the_largest_of_every_matrix_scores_1(self):
        """So that none is emptied (Lee et al. 2021, section 2.2)."""
        found = scores("lamp", Inputs(weights(), CLASSES))
        assert all(float(of_one.max()) == pytest.approx(1) for of_one in found.values())
        w = weights()
        w["c"] /= 1e6
        assert min(kept(prune(w, CLASSES, "class-blind", 0.99, score="lamp").masks).values()) > 0
        assert kept(prune(w, CLASSES, "class-blind", 0.9).masks)["c"] == 0

    def test_zeros_score_0(self):
        w = {"a": torch.tensor([[0.0, -0.0, 3.0]]), "b": torch.zeros(2, 2)}
        found = scores("lamp", Inputs(w, {"a": "x", "b": "x"}))
        assert found["a"].tolist() == [[0, 0, 1]] and not found["b"].any()


class TestRandom:
    def test_it_depends_on_seed_and_name_not_on_the_weights(self):
        one, other = (scores("random", Inputs(weights(s), CLASSES)) for s in (0, 1))
        assert all(torch.equal(one[n], other[n]) for n in one)
        another = scores("random:seed=2", Inputs(weights(), CLASSES))
        assert not torch.equal(one["a"], another["a"])
        same_shape = {"p": torch.ones(9, 9), "q": torch.ones(9, 9)}
        found = scores("random", Inputs(same_shape, {"p": "x", "q": "x"}))
        assert not torch.equal(found["p"], found["q"])

    def test_it_is_uniform_and_independent_of_the_position(self):
        big = {"w": torch.ones(1000, 1000)}
        found = scores("random", Inputs(big, {"w": "x"}))["w"].double()
        count = found.numel()
        counts = torch.histc(found, 100, 0, 1)
        chi_square = float(((counts - count / 100) ** 2 / (count / 100)).sum())
        assert chi_square < 99 + 5 * math.sqrt(2 * 99)
        neighbours = torch.corrcoef(torch.stack([found.flatten()[1:], found.flatten()[:-1]]))
        assert abs(float(neighbours[0, 1])) < 5 / math.sqrt(count)
        assert 0 <= found.min() and found.max() < 1


@pytest.mark.parametrize("name", ["magnitude", "standardized-magnitude", "lamp", "random"])
def test_pieces_make_no_difference(name):
    w = weights()
    scorers = find_score(name).scorers(Inputs(w, CLASSES))
    flat = w["c"].flatten()
    whole = scorers["c"](flat, 0)
    for cut in (1, 7, 10, 399):
        parts = [scorers["c"](flat[:cut], 0), scorers["c"](flat[cut:], cut)]
        assert torch.equal(torch.cat(parts), whole)


def test_class_distribution_is_class_blind_by_standardized_magnitude():
    one = prune(weights(), CLASSES, "class-distribution", 0.6)
    other = prune(weights(), CLASSES, "class-blind", 0.6, score="standardized-magnitude")
    assert one.score == other.score == "standardized-magnitude"
    assert all(torch.equal(one.masks[n], other.masks[n]) for n in CLASSES)


@pytest.mark.parametrize(
    "scheme, score, said",
    [
        ("class-blind", "magnitud", "score magnitud is unknown; choose from magnitude,"),
        ("class-distribution", "lamp", "ranks by standardized-magnitude, not by"),
        ("class-blind", "magnitude:x=1", "magnitude has no options; leave out what follows"),
        ("class-blind", "random:sed=1", "give options of random as in random:seed=1"),
        ("class-blind", "random:seed", "give options of random as in random:seed=1"),
        ("class-blind", "random:seed=1,seed=2", "seed is given twice"),
        ("class-blind", "random:seed=x", "seed is to be a number, such as 1"),
        ("class-blind", "fisher:damping=-1", "damping is to be 0 or more"),
        ("class-blind", "fisher:exponent=nan", "exponent is to be 0 or more"),
        ("class-blind", "fisher:guard=(", r"score fisher: guard '\(' is no regular expression"),
    ],
)
def test_scores_that_there_are_not(scheme, score, said):
    with pytest.raises(PruneError, match=said):
        prune(weights(), CLASSES, scheme, 0.5, score=score)


def test_options_reach_the_score():
    found = scores("random:seed=3", Inputs(weights(), CLASSES))
    scorers = SCORES["random"].scorers(Inputs(weights(), CLASSES), seed=3)
    assert all(torch.equal(found[n], scores_of(scorers[n], w)) for n, w in weights().items())


def test_every_scheme_takes_every_score():
    w = weights()
    statistics = {name: weight.abs() for name, weight in weights(1).items()}
    # plugins that other tests of this process import have scores of their own
    names = [name for name, score in SCORES.items() if "fairseq_prune" in score.scorers.__module__]
    for scheme, how in SCHEMES.items():
        for name in names:
            if how.own_score not in (None, name) or name in ("obs", "kron"):
                continue
            found = prune(w, CLASSES, scheme, 0.7, score=name, statistics=statistics)
            exact = (
                round(0.7 * 677) + round(0.7 * 400)
                if scheme == "class-uniform"
                else round(0.7 * 1077)
            )
            assert found.pruned == exact and found.score == name


@pytest.mark.parametrize("name", ["fisher", "obs", "kron", "adam"])
@pytest.mark.parametrize("scheme", ["class-blind", "class-uniform"])
def test_statistics_that_are_not_finite_are_told_by_their_weights_name(name, scheme):
    w = weights()
    statistic = find_score("fisher" if name == "adam" else name).statistic()
    statistic.add({n: torch.ones_like(weight) for n, weight in w.items()})
    given = statistic.mean()
    given["b"].view(-1)[3] = math.inf
    with pytest.raises(PruneError, match=f"^the statistics of b for score {name} are NaN, inf"):
        prune(w, CLASSES, scheme, 0.5, score=name, statistics=given)


def test_a_batch_that_makes_a_statistic_infinite_is_named():
    statistic = find_score("fisher").statistic()
    statistic.add({"a": torch.ones(2, 3), "b": torch.ones(4)})
    with pytest.raises(PruneError, match="^what batch 2 of .* to the statistic of b is NaN, inf"):
        statistic.add({"a": torch.ones(2, 3), "b": torch.full((4,), 1e21)})  # not so its square


@pytest.mark.parametrize("score", ["magnitude", "lamp", "standardized-magnitude"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_weight_that_is_no_number_is_named(score, bad):
    w = weights()
    w["b"].view(-1)[5] = bad
    with pytest.raises(PruneError, match="^b holds NaN or infinite weights"):
        prune(w, CLASSES, "class-blind", 0.5, score=score)


def test_memory_that_choosing_lacks_is_a_sentence(monkeypatch):
    def fails(inputs):
        torch.empty(1 << 60)

    monkeypatch.setitem(SCORES, "large", Score(fails))
    with pytest.raises(PruneError, match="^choosing weights needs more memory than there is"):
        prune({"w": torch.ones(2, 2)}, {"w": "x"}, "class-blind", 0.5, score="large")


@pytest.mark.parametrize("name", ["fisher", "adam", "obs", "kron"])
def test_the_exponent_that_is_usual(name):
    """A quarter, and a damping of a tenth (docs/scores.md)."""
    usual = inspect.signature(find_score(name).scorers).parameters
    assert usual["exponent"].default == 0.25 and usual["damping"].default == 0.1


def test_the_samples_that_are_usual():
    """What moves the survivors to where a whole row makes up for a weight needs more."""
    usual = {"fisher": 1024, "taylor": 1024, "obs": 1024, "kron": 4096}
    assert {name: SCORES[name].statistic().samples for name in usual} == usual
