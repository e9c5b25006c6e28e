"""The mask in the optimizer's state: saved, loaded, and never silently ignored."""

import copy

import pytest

RECORD = {"version": 1, "scheme": "class-blind", "sparsity": 0.5, "masks": {"w": "bits"}}


def test_a_resumed_run_is_the_uninterrupted_one(name, start):
    run, resumed = start(f"pruned_{name}"), start(f"pruned_{name}")
    run.hold()
    for seed in range(3):
        run.step(seed)
    resumed.optimizer.load_state_dict(copy.deepcopy(run.optimizer.state_dict()))
    for param, other in zip(run.params, resumed.params):
        other.data.copy_(param.data)
    assert resumed.optimizer.prune_record == RECORD
    resumed.hold()
    for seed in range(3, 6):
        assert run.step(seed) == resumed.step(seed)
        assert run.equals(resumed)


def test_the_record_is_passed_on_untouched(start):
    first, second = start("pruned_adam"), start("pruned_adam")
    first.hold()
    assert first.optimizer.state_dict()["prune"] == RECORD
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    # before anything is held: fairseq may save again at once
    assert second.optimizer.state_dict()["prune"] == RECORD


def test_loading_leaves_the_loaded_state_alone(start):
    run = start("pruned_adam")
    run.hold()
    state = run.optimizer.state_dict()
    keys = set(state)
    start("pruned_adam").optimizer.load_state_dict(state)
    assert set(state) == keys


def test_the_state_of_a_dense_run_ends_what_was_held(start):
    run = start("pruned_adam")
    run.hold()
    run.optimizer.load_state_dict(start("pruned_adam").optimizer.state_dict())
    assert run.optimizer.prune_record is None and "prune" not in run.optimizer.state_dict()
    run.step(seed=0)
    assert not run.is_clean()


def test_the_original_reads_the_state_of_its_twin(name, start):
    run, theirs = start(f"pruned_{name}"), start(name)
    run.step(seed=0)
    run.hold()
    state = copy.deepcopy(run.optimizer.state_dict())
    theirs.optimizer.load_state_dict(state)
    read = theirs.optimizer.state_dict()
    assert read["state"].keys() == state["state"].keys() and "prune" not in read


def test_the_twin_reads_the_state_of_the_original(name, start):
    theirs, run = start(name), start(f"pruned_{name}")
    theirs.step(seed=0)
    run.optimizer.load_state_dict(copy.deepcopy(theirs.optimizer.state_dict()))
    for param, other in zip(theirs.params, run.params):
        other.data.copy_(param.data)
    assert run.step(seed=1) == theirs.step(seed=1) and run.equals(theirs)


def test_overrides_win_over_the_loaded_options(start):
    run = start("pruned_sgd")
    run.optimizer.load_state_dict(run.optimizer.state_dict(), {"lr": 0.7, "momentum": 0.3})
    assert [(g["lr"], g["momentum"]) for g in run.optimizer.param_groups] == [(0.7, 0.3)]


def test_a_mask_that_nobody_holds_stops_the_run_before_a_step(start):
    run, resumed = start("pruned_sgd"), start("pruned_sgd")
    run.hold()
    resumed.optimizer.load_state_dict(run.optimizer.state_dict())
    with pytest.raises(SystemExit, match="--task pruned_"):
        resumed.step(seed=0)
    assert resumed.equals(start("sgd"))


def test_two_optimizers_do_not_share_what_they_hold(start):
    held, free = start("pruned_sgd"), start("pruned_sgd")
    held.hold()
    free.step(seed=0)
    assert not free.is_clean() and free.optimizer.prune_record is None
