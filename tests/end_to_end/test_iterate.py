"""``fairseq-prune iterate``: rounds, rewinding, interruption."""

import fcntl
import json
import os
import re
import subprocess
import sys

import pytest
import torch
from commands import BIN, FORKED, PLUGIN, SMALL, equal, run, server, state_of, train

from fairseq_prune.pruning import unpack

ROUND = """
    --task pruned_translation --optimizer pruned_sgd --momentum 0.9 --lr 0.5
    --lr-scheduler luong --lr-decay-start 0.5 --lr-decay-every 0.5 --lr-epoch-updates 6
    --max-epoch 1
""".split()


def iterate(data, dense, out, *options, command=(), ok=True, env=None, prepare=None):
    return run(
        "fairseq-prune", "iterate", "--from", dense, "--out", out, *options, "--",
        *FORKED, "fairseq-train", data, "--user-dir", PLUGIN, *SMALL, *ROUND, *command,
        ok=ok, env={"FORK_SERVER": server(), **(env or {})}, prepare=prepare,
    )  # fmt: skip


def masks(path):
    record = state_of(path)["last_optimizer_state"]["prune"]
    return {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}


def pruned(path):
    found = masks(path).values()
    return sum(int((~m).sum()) for m in found), sum(m.numel() for m in found)


@pytest.mark.parametrize("rewind", ["learning-rate", "none"])
def test_rounds_reach_the_sparsity_each_within_the_one_before(data, dense, tmp_path, rewind):
    out = tmp_path / "out"
    options = ("--sparsity", "0.9", "--rounds", "3", "--spacing", "even", "--rewind", rewind)
    said = iterate(data, dense, out, *options)
    before = None
    for r, expected in enumerate((0.3, 0.6, 0.9), start=1):
        for name in ("checkpoint_last.pt", "checkpoint_best.pt"):
            path = out / f"round{r}" / name
            count, total = pruned(path)
            assert count == round(expected * total)
        now = masks(path)
        assert before is None or all(not (now[n] & ~before[n]).any() for n in now)
        before = now
        assert re.search(rf"^{r} +{100 * expected:.2f}% +[\d.]+ +{path}$", said, re.MULTILINE)
    rates = [float(x) for x in re.findall(r'"lr": "([\d.e-]+)"', said.replace("train_lr", ""))]
    # 6 updates a round; the schedule halves after half an epoch
    first = [rates[k] for k in range(0, len(rates), len(rates) // 3)]
    assert first == ([0.5] * 3 if rewind == "learning-rate" else [0.5, 0.125, 0.03125])


def test_learning_rate_rewinding_is_training_by_hand(data, dense, tmp_path):
    """The rounds equal plain fairseq-train commands, one after the other."""
    iterate(data, dense, tmp_path / "out", "--sparsity", "0.84", "--rounds", "2")
    start = dense
    for r, x in ((1, "0.6"), (2, "0.84")):  # density 0.4, then 0.16
        train(
            data, tmp_path / f"hand{r}", *ROUND, "--finetune-from-model", start,
            "--prune-scheme", "class-blind", "--prune-sparsity", x,
        )  # fmt: skip
        start = tmp_path / f"hand{r}" / "checkpoint_best.pt"
    ours, hand = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("out/round2", "hand2"))
    assert equal(ours["model"], hand["model"])


def test_weight_rewinding_starts_each_round_from_the_early_weights(data, dense, tmp_path):
    early = tmp_path / "early"
    train(data, early, "--task", "translation", "--optimizer", "sgd", "--lr", "0.5",
          "--max-update", "4")  # fmt: skip
    early = early / "checkpoint_last.pt"
    out = tmp_path / "out"
    iterate(
        data, dense, out, "--sparsity", "0.9", "--rounds", "2", "--rewind", "weights",
        "--rewind-to", early, command=("--lr", "1e-30", "--momentum", "0"),
    )  # fmt: skip
    then = state_of(early)["model"]
    for r in (1, 2):
        state = state_of(out / f"round{r}" / "checkpoint_last.pt")
        for name, mask in masks(out / f"round{r}" / "checkpoint_last.pt").items():
            assert torch.equal(state["model"][name], then[name] * mask)
    count, total = pruned(out / "round2" / "checkpoint_last.pt")
    assert count == round(0.9 * total)
    assert sorted(p.name for p in out.iterdir() if not p.name.startswith(".")) == [
        "round1", "round2", "rounds.json",
    ]  # fmt: skip


@pytest.mark.parametrize("rewind", ["learning-rate", "none"])
def test_killed_anywhere_it_goes_on_and_skips_what_is_done(data, dense, tmp_path, rewind):
    options = ("--sparsity", "0.9", "--rounds", "2", "--rewind", rewind)
    every = ("--save-interval-updates", "1", "--keep-interval-updates", "1")
    iterate(data, dense, tmp_path / "whole", *options, command=every)
    # killed after 2 more updates each time: in round 1, at its end, in round 2
    for _ in range(4):
        iterate(
            data, dense, tmp_path / "cut", *options,
            command=every, env={"KILL": "update 2"}, ok=False,
        )  # fmt: skip
    said = iterate(data, dense, tmp_path / "cut", *options, command=every)
    whole, cut = (
        state_of(tmp_path / x / "round2" / "checkpoint_last.pt") for x in ("whole", "cut")
    )
    assert equal(whole["model"], cut["model"])
    assert equal(whole["last_optimizer_state"], cut["last_optimizer_state"])
    said = iterate(data, dense, tmp_path / "cut", *options, command=every)
    assert said.count("done before") == 2 and "num_updates" not in said


@pytest.mark.parametrize("rewind", ["learning-rate", "weights"])
def test_killed_itself_it_goes_on(data, dense, tmp_path, rewind):
    """iterate and its training both, at the end of a round and inside one."""
    options = ["--sparsity", "0.9", "--rounds", "2", "--rewind", rewind]
    if rewind == "weights":
        options += ["--rewind-to", dense]
    iterate(data, dense, tmp_path / "whole", *options)
    kill = ("kill", "at", "round", "2")  # round 1 is done, its end not noted
    iterate(data, dense, tmp_path / "cut", *options, ok=-9, prepare=kill)
    assert json.loads((tmp_path / "cut" / "rounds.json").read_text())["done"] == 0
    if rewind == "weights":  # what a kill while the mask was written leaves
        (tmp_path / "cut" / ".fairseq_prune_mask2.pt_0123cdef").write_bytes(b"half")
    iterate(data, dense, tmp_path / "cut", *options)
    whole, cut = (
        state_of(tmp_path / x / "round2" / "checkpoint_last.pt") for x in ("whole", "cut")
    )
    assert equal(whole["model"], cut["model"])
    left = sorted(p.name for p in (tmp_path / "cut").iterdir())
    assert left == [".lock", "round1", "round2", "rounds.json"]


def test_json_stands_alone_on_standard_output(data, dense, tmp_path):
    """The real command, with its training a process of its own."""
    done = subprocess.run(
        [
            BIN / "fairseq-prune", "iterate", "--from", dense, "--out", tmp_path / "out",
            "--sparsity", "0.9", "--rounds", "1", "--json", "--",
            *FORKED, "fairseq-train", data, "--user-dir", PLUGIN, *SMALL, *ROUND,
        ],
        env={**os.environ, "FORK_SERVER": server(), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True,
    )  # fmt: skip
    (found,) = json.loads(done.stdout)
    assert found["round"] == 1 and found["sparsity"] == 0.9
    assert b"num_updates" in done.stderr


def test_two_at_once_are_refused_also_while_only_the_training_lives(data, dense, tmp_path):
    options = ("--sparsity", "0.9", "--rounds", "1")
    (tmp_path / "out").mkdir()
    with open(tmp_path / "out" / ".lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = iterate(data, dense, tmp_path / "out", *options, ok=False)
        assert "in use" in said and "Traceback" not in said
        assert not (tmp_path / "out" / "rounds.json").exists()
    # the training inherits the lock: this one looks at what it has open
    training = tmp_path / "training.py"
    training.write_text(
        "import os\n"
        "for fd in os.listdir('/proc/self/fd'):\n"
        "    path = f'/proc/self/fd/{fd}'\n"
        "    if os.path.exists(path) and os.readlink(path).endswith('.lock'):\n"
        "        print('has the lock')\n"
    )
    said = run(
        "fairseq-prune", "iterate", "--from", dense, "--out", tmp_path / "out", *options,
        "--", sys.executable, training, ok=False,
    )  # fmt: skip
    assert "has the lock" in said and "left no" in said


def test_exclusions_hold_in_every_mode(data, dense, tmp_path):
    for rewind in ("learning-rate", "weights"):
        options = ["--rewind", rewind, "--exclude", "embedding", "--exclude", "softmax"]
        if rewind == "weights":
            options += ["--rewind-to", dense]
        iterate(data, dense, tmp_path / rewind, "--sparsity", "0.9", "--rounds", "2", *options)
        found = masks(tmp_path / rewind / "round2" / "checkpoint_best.pt")
        assert found and not any("embed" in name or "fc_out" in name for name in found)
        count, total = pruned(tmp_path / rewind / "round2" / "checkpoint_best.pt")
        assert count == round(0.9 * total)


@pytest.mark.parametrize(
    "options, command, said",
    [
        (("--rounds", "0"), (), "--rounds 0"),
        (
            ("--rounds", "2", "--rewind", "weight"),
            (),
            "--rewind weight: choose from learning-rate, weights, none",
        ),
        (("--rounds", "2", "--rewind", "weights"), (), "--rewind-to"),
        (("--rounds", "2"), ("--save-dir", "x"), "--save-dir is set by each round"),
        (("--rounds", "2", "--sparsity", "1.5"), (), "--sparsity 1.5"),
        (("--rounds", "2", "--include", "(", "--include", "b)"), (), "--include '(' is no regular"),
        (("--rounds", "2", "--exclude", "(?i)a", "--exclude", "b"), (), "cannot be joined with"),
    ],
)
def test_mistakes(data, dense, tmp_path, options, command, said):
    output = iterate(
        data, dense, tmp_path / "out", "--sparsity", "0.9", *options, command=command, ok=False
    )
    assert said in output and "Traceback" not in output
    assert not (tmp_path / "out").exists()


def test_a_command_that_does_not_exist(dense, tmp_path):
    said = run(
        "fairseq-prune", "iterate", "--from", dense, "--out", tmp_path / "out", "--sparsity", "0.5",
        "--rounds", "1", "--", "fairseq-trian", "data", ok=False,
    )  # fmt: skip
    assert "fairseq-trian cannot be run" in said and "Traceback" not in said


def test_another_plan_in_the_same_folder_is_refused(data, dense, tmp_path):
    iterate(data, dense, tmp_path / "out", "--sparsity", "0.5", "--rounds", "1")
    output = iterate(data, dense, tmp_path / "out", "--sparsity", "0.6", "--rounds", "1", ok=False)
    assert "--sparsity 0.6" in output and "--sparsity 0.5" in output


def test_a_failed_round_is_named(data, dense, tmp_path):
    output = iterate(
        data, dense, tmp_path / "out", "--sparsity", "0.5", "--rounds", "1",
        command=("--optimizer", "sgd"), ok=False,
    )  # fmt: skip
    assert "round 1 of 1" in output and "failed" in output and "Traceback" not in output
