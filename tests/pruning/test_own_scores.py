"""Scores of one's own: what they may be, and what is refused in a sentence."""

import math

import pytest
import torch

from fairseq_prune.pruning import (
    SCORES,
    Inputs,
    PruneError,
    Score,
    Statistic,
    find_score,
    prune,
)

CLASSES = {"a": "x", "b": "x", "c": "y"}


def weights(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a": (30, 20), "b": (7, 11), "c": (40, 10)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def test_options_of_ones_own_score_are_of_any_plain_type(monkeypatch):
    taken = {}

    def scorers(inputs, fast=True, slow=False, limit=None, where=None, by=None, odd=()):
        taken.update(fast=fast, slow=slow, limit=limit, where=where, by=by, odd=odd)
        return {}

    monkeypatch.setitem(SCORES, "own", Score(scorers))
    find_score("own:fast=False,slow=true,limit=3,where=x,by=0.5").scorers(Inputs({}, {}))
    assert taken == dict(fast=False, slow=True, limit=3, where="x", by=0.5, odd=())
    assert type(taken["limit"]) is int and taken["fast"] is False
    find_score("own:limit=None").scorers(Inputs({}, {}))
    assert taken["limit"] is None
    with pytest.raises(PruneError, match="score own:fast=0: fast is to be true or false$"):
        find_score("own:fast=0")
    with pytest.raises(PruneError, match="give options of own as in own:fast=True,.*by=None$"):
        find_score("own:odd=1")


class Ones(Statistic):
    def of_gradient(self, gradient):
        return torch.ones_like(gradient)


@pytest.fixture
def own(monkeypatch):
    """Registers a function (weights of a piece -> scores) as the score "own"."""

    def register(function, **more):
        scorers = {name: lambda piece, position: function(piece) for name in CLASSES}
        monkeypatch.setitem(SCORES, "own", Score(lambda inputs: scorers, **more))

    return register


@pytest.mark.parametrize("scheme", ["class-blind", "class-uniform", "1:2"])
@pytest.mark.parametrize(
    "function, said",
    [
        (lambda piece: piece, "the score of a is negative"),
        (lambda piece: piece.abs() * float("nan"), "a has NaN or infinite scores"),
        (lambda piece: piece.abs() + float("inf"), "a has NaN or infinite scores"),
        (lambda piece: piece[:1].abs(), r"gives torch.float32 numbers of shape \(1,\) for 600"),
        (lambda piece: None, "the score of a gives NoneType; it is to give a tensor"),
        (lambda piece: (piece > 0).long(), "it is to give one floating-point number a weight"),
    ],
)
def test_scores_of_ones_own_that_cannot_be_ranked(own, scheme, function, said):
    own(function)
    w = {name: weight[:, :10] for name, weight in weights().items()} if scheme == "1:2" else None
    with pytest.raises(PruneError, match=said.replace("600", "(600|300)")):
        prune(w or weights(), CLASSES, scheme, 0.5, score="own")


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16])
def test_scores_of_another_type_and_with_negative_zeros(own, kind):
    own(lambda piece: torch.where(piece > 0, piece, -0.0 * piece.abs()).to(kind))
    result = prune(weights(), CLASSES, "class-blind", 0.4, score="own")
    assert result.pruned == round(0.4 * 1077)
    # ties of all that is not positive: the first go
    assert not result.masks["a"][weights()["a"] <= 0].any()
    assert result.masks["c"][weights()["c"] <= 0].any()


@pytest.mark.parametrize("scorers", [None, {"a": abs, "c": abs}])
def test_a_weight_without_a_scorer_is_named(monkeypatch, scorers):
    monkeypatch.setitem(SCORES, "own", Score(lambda inputs: scorers))
    with pytest.raises(PruneError, match=f"^score own has no scorer for {'b' if scorers else 'a'}"):
        prune(weights(), CLASSES, "class-blind", 0.5, score="own")


def test_what_is_no_score_of_ones_own(monkeypatch):
    def function(inputs):
        return inputs.weights

    monkeypatch.setitem(SCORES, "own", function)
    with pytest.raises(PruneError, match=r"SCORES\['own'\] is a function; put in a Score"):
        prune(weights(), CLASSES, "class-blind", 0.5, score="own")
    monkeypatch.setitem(SCORES, "own", Score(function))
    with pytest.raises(PruneError, match="score own gives Tensor for a; it is to give a function"):
        prune(weights(), CLASSES, "class-blind", 0.5, score="own")


class Nothing(Statistic):
    def of_gradient(self, gradient):
        pass


def test_a_statistic_of_ones_own_that_gives_none():
    with pytest.raises(PruneError, match="Nothing.of_gradient gives NoneType for a; it is to give"):
        Nothing().add({"a": torch.ones(2, 3)})


@pytest.mark.parametrize(
    "update, said",
    [
        (lambda w: None, "the update of score own gives NoneType"),
        (lambda w: {"d": w["a"]}, "gives dict; it is to give new values by the names of the"),
        (
            lambda w: {"b": w["a"]},
            r"gives a tensor of shape \(.*\) for b; it is to give a tensor of",
        ),
        (lambda w: {"b": None}, "gives NoneType for b"),
        (lambda w: {"a": w["a"], "b": w["b"] * math.nan}, "makes b NaN or infinite; take a larger"),
        (lambda w: {"b": w["b"] / 0}, "makes b NaN or infinite"),
    ],
)
def test_updates_of_ones_own_that_no_model_can_have(own, update, said):
    own(lambda piece: piece.abs(), update=lambda inputs: update(inputs.weights))
    with pytest.raises(PruneError, match=said):
        prune(weights(), CLASSES, "class-blind", 0.5, score="own")


def test_an_update_of_some_weights(own):
    own(lambda piece: piece.abs(), update=lambda inputs: {"b": 2 * inputs.weights["b"]})
    updated = prune(weights(), CLASSES, "class-blind", 0.5, score="own").updated
    assert list(updated) == ["b"] and torch.equal(updated["b"], 2 * weights()["b"])


def test_a_weight_without_statistics_is_named(own):
    own(lambda piece: piece.abs(), statistic=Ones)
    there = {name: torch.ones_like(w) for name, w in weights().items() if name != "b"}
    for statistics in (there, None):
        with pytest.raises(PruneError, match="has no statistics for score own .*; exclude it"):
            prune(weights(), CLASSES, "class-blind", 0.5, score="own", statistics=statistics)
    # as where LayerDrop took a layer out of each update so far
    said = "b has no statistics for score adam .* no update so far had .*, prune after more, or"
    with pytest.raises(PruneError, match=said):
        prune(weights(), CLASSES, "class-blind", 0.5, score="adam", statistics=there)
