"""Going on with a round of ``fairseq-prune compress`` on another machine."""

import json
import os

import pytest

from fairseq_prune.experiments.compress.elsewhere import going_on
from fairseq_prune.experiments.training import Training
from fairseq_prune.pruning import PruneError

BEGUN = """/old/bin/fairseq-train /data --user-dir /old/fairseq_prune --optimizer pruned_adam
    --adam-betas (0.9,0.98) --update-freq 4 --lr 0.5 --warmup-updates 2 --total-num-update 99
    --save-dir /out""".split()


def changed(*changes):
    words = " ".join(BEGUN)
    for before, after in changes:
        assert before in words
        words = words.replace(before, after)
    return words.split()


@pytest.mark.parametrize(
    "change",
    [("/old/bin/fairseq-train", "srun fairseq-train"), ("--user-dir /old", "--user-dir /new"),
     ("--update-freq 4", "--update-freq 2"), ("--update-freq 4", ""), ("--lr", "--cpu --lr")],
)  # fmt: skip
def test_another_machine(change):
    now = changed(change)
    assert going_on(BEGUN, now, "/data") == now


def test_the_schedule_goes_on_as_it_was():
    """Of other processors an epoch may have other updates."""
    now = changed(("--total-num-update 99", "--total-num-update 98"), ("--update-freq 4", ""))
    assert going_on(BEGUN, now, "/data") == changed(("--update-freq 4", ""))


@pytest.mark.parametrize(
    "change",
    [("--lr 0.5", "--lr 0.6"), ("/data", "/other"), ("--save-dir", "--clip-norm 1 --save-dir"),
     ("--warmup-updates 2", "")],
)  # fmt: skip
def test_another_training(change):
    now = changed(change)
    assert going_on(BEGUN, now, now[1]) is None


def test_other_numbers():
    with pytest.raises(PruneError, match="begun with fp32, and here it would go on with --fp16"):
        going_on(BEGUN, changed(("--lr", "--fp16 --lr")), "/data")


def test_a_training_is_gone_on_with(tmp_path):
    """By the new command, from then on."""
    state = tmp_path / "training.json"
    state.write_text(json.dumps({"command": BEGUN, "seconds": 7.0, "finished": False}))
    (tmp_path / "checkpoint_last.pt").touch()
    now = changed(("/old/bin/fairseq-train", "fairseq-train"))
    training = Training(str(tmp_path), now, "round")
    with pytest.raises(PruneError, match="holds a training with other options"):
        training.state()
    training.go_on_with(now)
    assert training.state() == {"command": now, "seconds": 7.0, "finished": False}
    assert os.listdir(tmp_path).count("training.json") == 1
