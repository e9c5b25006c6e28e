"""What ``fairseq-prune compress`` takes from a checkpoint of the training that made it."""

from types import SimpleNamespace

import pytest

from fairseq_prune.experiments.compress.own_training import (
    KEY,
    count_epochs,
    noted_in,
    own_training,
)


def at(epoch, within=0):
    return {"epoch": epoch, "iterations_in_epoch": within}


@pytest.mark.parametrize(
    "options, iterator, updates, expected",
    [
        # best at 11 of 12, and the last
        ({"max_epoch": 12}, at(12), 1100, (12, "by its --max-epoch")),
        ({"max_epoch": 12}, at(13), 1200, (12, "by the epoch it is of")),
        ({"max_epoch": 12}, at(7, 3), 700, (12, "by its --max-epoch")),
        # it did not go on for as long again
        ({"max_epoch": 100}, at(12), 1100, (11, "by the epoch it is of")),
        ({"max_epoch": 0, "max_update": 1200, "patience": -1}, at(12), 1100,
         (12, "by its --max-update")),
        ({"max_epoch": 100, "patience": 3}, at(12), 1100, (14, "by its --patience")),
        ({"max_epoch": 12, "patience": 3}, at(12), 1100, (12, "by its --max-epoch")),
        ({}, at(1, 5), 5, (1, "by the epoch it is of")),
        ({"max_epoch": 12}, {}, 5, (None, "")),
    ],
)  # fmt: skip
def test_epochs(options, iterator, updates, expected):
    assert count_epochs(options, iterator, updates) == expected


@pytest.fixture
def settings():
    flat = {"dropout": 0.3, "fp16": True, "max_epoch": 12, "clip_norm": 5.0, "dropout_kind": "x"}
    return SimpleNamespace(path="dense.pt", lr=[0.5], flat=flat, world_size=2)


@pytest.fixture
def state():
    return {
        "extra_state": {"train_iterator": at(12), "previous_training_time": 60.0},
        "optimizer_history": [{"num_updates": 1100}],
    }


def test_a_compressed_checkpoint_is_as_the_dense_one(settings, state):
    """Whatever its own training was."""
    own = own_training(settings, state, 100)
    assert own.seconds == pytest.approx(2 * 60.0 / 11) and own.epochs == 12
    again = SimpleNamespace(
        path="small.pt", lr=[0.75], world_size=1,
        flat={"dropout": 0.1, "attention_dropout": 0.2, "max_epoch": 3, "clip_norm": 5.0},
    )  # fmt: skip
    compressed = {KEY: own.noted(), "extra_state": {}}
    assert own_training(again, compressed, 7) == own
    noted_in(compressed).restore(again)
    assert again.lr == [0.5]
    assert again.flat == {"dropout": 0.3, "fp16": True, "max_epoch": 3, "clip_norm": 5.0}


@pytest.mark.parametrize(
    "changes",
    [{"lr": "0.5"}, {"lr": []}, {"options": {"user_dir": 1}}, {"options": {"dropout": "0.5"}},
     {"epochs": 2.5}, {"more": 1}, {"checkpoint": None}],
)  # fmt: skip
def test_what_no_compressing_has_noted_is_left(settings, state, changes):
    noted = own_training(settings, state, 100).noted()
    assert noted_in({KEY: noted}) is not None
    assert noted_in({KEY: {**noted, **changes}}) is None and noted_in({KEY: 3}) is None
