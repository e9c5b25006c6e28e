"""A run killed with SIGKILL and started again ends as one that was not, to the last bit."""

import random

import pytest
from commands import equal, state_of, train

LUONG = "--lr-scheduler luong --lr-decay-start 1 --lr-decay-every 0.3".split()
RUN = """
    --task pruned_translation --optimizer pruned_adam --lr 0.01 --dropout 0.2
    --prune-scheme class-blind --prune-sparsity 0.9
    --max-update 16 --save-interval-updates 2 --keep-interval-updates 1
""".split()
SCHEDULES = {
    "one-shot": [],
    "iterative": "--prune-schedule iterative --prune-rounds 3 --prune-every 4".split(),
    "gradual": "--prune-schedule gradual --prune-begin 1 --prune-end 13 --prune-every 3".split(),
}


@pytest.fixture(scope="module")
def whole(data, dense, tmp_path_factory):
    """schedule -> the last and the best state of an uninterrupted run."""
    found = {}
    for name, options in SCHEDULES.items():
        folder = tmp_path_factory.mktemp(name)
        train(data, folder, *RUN, *LUONG, *options, "--finetune-from-model", dense)
        found[name] = folder
    return found


def same_end(a, b):
    for name in ("checkpoint_last.pt", "checkpoint_best.pt"):
        one, other = (state_of(folder / name) for folder in (a, b))
        assert equal(one["model"], other["model"])
        assert equal(one["last_optimizer_state"], other["last_optimizer_state"])
        for key in ("lr_scheduler_state", "num_updates"):
            assert one["optimizer_history"][-1][key] == other["optimizer_history"][-1][key]
        assert one["extra_state"]["best"] == other["extra_state"]["best"]


def kills(seed):
    """Before, at and after prunings, between checkpoints and in the middle of writing one."""
    rng = random.Random(seed)
    return [("update", rng.randint(1, 5)), *rng.sample([
        ("update", 1), ("update", rng.randint(2, 4)), ("write", rng.randint(1, 3)),
        ("write", 1), ("copy", 1), ("copy", 2),
    ], 4)]  # fmt: skip


@pytest.mark.parametrize("schedule", list(SCHEDULES))
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again(data, dense, whole, tmp_path, schedule, seed):
    arguments = [*RUN, *LUONG, *SCHEDULES[schedule], "--finetune-from-model", dense]
    killed = 0
    for event, count in kills(seed):
        if train(data, tmp_path, *arguments, prepare=("kill", "at", event, count), ok=(0, -9)):
            killed += 1
    assert killed >= 3
    train(data, tmp_path, *arguments)
    same_end(tmp_path, whole[schedule])


@pytest.mark.parametrize("event", [("write", 2), ("copy", 1), ("copy", 3)])
def test_killed_while_writing_leaves_whole_checkpoints(data, dense, whole, tmp_path, event):
    arguments = [*RUN, *LUONG, *SCHEDULES["iterative"], "--finetune-from-model", dense]
    train(data, tmp_path, *arguments, prepare=("kill", "at", *event), ok=-9)
    for path in tmp_path.glob("checkpoint*.pt"):
        assert state_of(path)["model"]
    train(data, tmp_path, *arguments)
    same_end(tmp_path, whole["iterative"])


def test_with_an_average_of_the_weights(data, dense, tmp_path):
    ema = ("--store-ema", "--ema-decay", "0.5")
    train(data, tmp_path / "dense", "--task", "translation", "--optimizer", "sgd", *ema,
          "--max-update", "2")  # fmt: skip
    arguments = [
        *RUN, *LUONG, *SCHEDULES["gradual"], *ema, "--finetune-from-model",
        tmp_path / "dense" / "checkpoint_last.pt",
    ]  # fmt: skip
    train(data, tmp_path / "whole", *arguments)
    for prepare in (("kill", "at", "update", "5"), ("kill", "at", "copy", "2")):
        train(data, tmp_path / "cut", *arguments, prepare=prepare, ok=-9)
    train(data, tmp_path / "cut", *arguments)
    same_end(tmp_path / "whole", tmp_path / "cut")
    whole, cut = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "cut"))
    assert equal(whole["extra_state"]["ema"], cut["extra_state"]["ema"])


@pytest.mark.parametrize(
    "options", [[], ["--patience", "2", "--lr", "0"]], ids=["max-update", "patience"]
)
def test_started_again_after_its_end_it_does_nothing(data, dense, tmp_path, options):
    """As after a kill between the last checkpoint and the exit."""
    arguments = [*RUN, *LUONG, *SCHEDULES["one-shot"], *options, "--finetune-from-model", dense]
    train(data, tmp_path, *arguments)
    before = state_of(tmp_path / "checkpoint_last.pt")
    output = train(data, tmp_path, *arguments)
    assert "had come to its end" in output and "train_inner" not in output
    after = state_of(tmp_path / "checkpoint_last.pt")
    assert equal(before["model"], after["model"])
    assert after["optimizer_history"][-1]["num_updates"] == (6 if options else 16)


def test_between_the_end_of_an_epoch_and_the_scheduler_that_hears_of_it(data, dense, tmp_path):
    """reduce_lr_on_plateau where no epoch improves enough: it halves after every second."""
    arguments = [
        *RUN, "--lr-scheduler", "reduce_lr_on_plateau", "--lr-threshold", "0.9",
        "--lr-patience", "1", "--lr-shrink", "0.5",
        "--finetune-from-model", dense, "--save-interval-updates", "0", "--max-update", "24",
    ]  # fmt: skip
    train(data, tmp_path / "whole", *arguments)
    # an epoch has 5 or 6 updates and one write: killed in the next, it goes on from there
    for _ in range(3):
        train(data, tmp_path / "cut", *arguments, prepare=("kill", "at", "update", "7"), ok=-9)
    train(data, tmp_path / "cut", *arguments)
    same_end(tmp_path / "whole", tmp_path / "cut")
    state = state_of(tmp_path / "cut" / "checkpoint_last.pt")
    assert state["last_optimizer_state"]["param_groups"][0]["lr"] == 0.005, "it was halved"
