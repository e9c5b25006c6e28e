"""Which weight each part of an optimizer's state belongs to."""

import pytest
import torch

from fairseq_prune.checkpoints.optimizer_state import state_of_weights
from fairseq_prune.pruning import PruneError

COPY = "encoder.layers.0.in_proj_weight"  # stock fairseq's, which does not train


def model(copies=False):
    weights = {
        "encoder.version": torch.ones(1),
        "encoder.embed_tokens.weight": torch.ones(3, 2),
        COPY: torch.ones(4, 4),
        "encoder.layers.0.fc1.weight": torch.ones(2, 3),
        "encoder.layers.0.fc1.bias": torch.ones(2),
        "decoder.output_projection.weight": torch.ones(3, 2),
    }
    return {name: w for name, w in weights.items() if copies or name != COPY}


ALIASES = {"encoder.embed_tokens.weight": ("decoder.output_projection.weight",)}
NAMES = [
    "encoder.embed_tokens.weight",
    "encoder.layers.0.fc1.weight",
    "encoder.layers.0.fc1.bias",
]
PARTS = {name: torch.rand(model()[name].shape) for name in NAMES}


def found(values, copies=False):
    state = {"state": {k: {"step": 3, "exp_avg_sq": v} for k, v in values.items()}}
    checkpoint = {"model": model(copies), "last_optimizer_state": state}
    return state_of_weights(checkpoint, ALIASES, "exp_avg_sq", "a.pt")


def is_right(result):
    assert list(result) == NAMES
    assert all(torch.equal(result[name], PARTS[name]) for name in NAMES)


def test_one_for_each_parameter():
    is_right(found(dict(enumerate(PARTS.values()))))
    # the copy is the optimizer's second parameter, and has no state
    is_right(found(dict(zip((3, 0, 2), (PARTS[NAMES[k]] for k in (2, 0, 1)))), copies=True))


def test_one_for_all():
    """As of fairseq's FP16Optimizer."""
    flat = [PARTS[name].flatten() for name in NAMES]
    is_right(found({0: torch.cat(flat)}))
    is_right(found({0: torch.cat([flat[0], torch.zeros(16), *flat[1:]])}, copies=True))


@pytest.mark.parametrize("values, said", [
    ({}, "a.pt holds no exp_avg_sq, .*; name a checkpoint as training saved it, or"),
    ({0: None}, "a.pt holds no exp_avg_sq"),
    ({0: torch.ones(6), 1: torch.ones(2)}, "is not of all its parameters .* take score fisher"),
    ({0: torch.ones(15)}, "is not of all its parameters"),
])  # fmt: skip
def test_what_is_missing(values, said):
    with pytest.raises(PruneError, match=said):
        found(values)


@pytest.mark.parametrize("entry, said", [
    ("movement", "name one of a training with --prune-score movement, or take score fisher"),
    ("exp_avg_sq", "name one that was trained with adam, or"),
    ("own", "holds no own, which an optimizer remembers .*; name one whose optimizer does, or"),
])  # fmt: skip
def test_an_optimizer_that_remembers_something_else(entry, said):
    state = {k: {"momentum_buffer": torch.ones(2)} for k in range(3)}
    checkpoint = {"model": shaped(*[(2,)] * 3), "last_optimizer_state": {"state": state}}
    with pytest.raises(PruneError, match=said):
        state_of_weights(checkpoint, {}, entry, "a.pt")


def shaped(*shapes):
    """A checkpoint of w0, w1, ... of these shapes, all of which are parameters."""
    return {f"decoder.w{k}": torch.ones(shape) for k, shape in enumerate(shapes)}


def of_some(model, *shapes):
    parts = [torch.rand(shape) for shape in shapes]
    state = {k: {"exp_avg_sq": part} for k, part in enumerate(parts)}
    checkpoint = {"model": model, "last_optimizer_state": {"state": state}}
    return state_of_weights(checkpoint, {}, "exp_avg_sq", "a.pt"), parts


def test_frozen_parameters_are_known_by_what_is_left():
    model = shaped((5, 2), (2, 2), (2, 3), (2, 2), (4, 2))
    for places in ((1, 2, 3, 4), (0, 2, 3), (2, 4), (1, 2), (2, 3, 4), (1, 3)):
        shapes = [tuple(model[f"decoder.w{place}"].shape) for place in places]
        result, parts = of_some(model, *shapes)
        assert list(result) == [f"decoder.w{place}" for place in places]
        assert all(torch.equal(a, b) for a, b in zip(result.values(), parts))


@pytest.mark.parametrize("shapes", [
    [(2, 2)],  # one or the other
    [(5, 2), (2, 2), (4, 2)],
    [(2, 3), (5, 2)],  # in another order
    [(3, 2)],  # as many numbers as there are in (2, 3)
    [(5, 2), (2, 2), (2, 3), (2, 2), (4, 2), (4, 2)],  # the criterion's as well
])  # fmt: skip
def test_frozen_parameters_that_shapes_do_not_tell(shapes):
    with pytest.raises(PruneError, match="not of all its parameters .* shapes do not tell"):
        of_some(shaped((5, 2), (2, 2), (2, 3), (2, 2), (4, 2)), *shapes)
