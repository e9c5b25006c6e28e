"""--prune-schedule through the real fairseq-train: what is pruned when; best model, patience."""

import re

import pytest
import torch
from commands import equal, run, state_of, train

from fairseq_prune.pruning import unpack

TRAIN = """
    --task pruned_translation --optimizer pruned_sgd --momentum 0.9 --lr 0.5
    --prune-scheme class-blind --save-interval-updates 1
""".split()
ITERATIVE = "--prune-schedule iterative --prune-rounds 3 --prune-every 3".split()
GRADUAL = "--prune-schedule gradual --prune-begin 2 --prune-end 8 --prune-every 2".split()


def record_of(path):
    return state_of(path)["last_optimizer_state"]["prune"]


def masks_of(record):
    return {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}


def snapshots(folder, updates):
    """update -> (weights, masks) of the checkpoints of a run's updates."""
    found = {}
    for path in folder.glob("checkpoint_*_*.pt"):
        update = int(re.search(r"_(\d+)\.pt$", path.name).group(1))
        state = state_of(path)
        found[update] = state["model"], masks_of(state["last_optimizer_state"]["prune"])
    assert sorted(found) == [u for u in range(1, updates + 1) if u in found]
    return found


@pytest.fixture(scope="module")
def iterative(data, dense, tmp_path_factory):
    folder = tmp_path_factory.mktemp("iterative")
    output = train(
        data, folder, *TRAIN, *ITERATIVE, "--prune-sparsity", "0.9", "--max-update", "10",
        "--finetune-from-model", dense,
    )  # fmt: skip
    return folder, output


def test_iterative_prunes_at_its_updates_to_its_sparsities(iterative):
    folder, output = iterative
    found = snapshots(folder, 10)
    total = sum(w.numel() for w in found[1][0].values() if w.dim() == 2)
    # density 0.1 in three rounds: 0.1^(1/3), 0.1^(2/3), 0.1
    expected = {1: 1 - 0.1 ** (1 / 3), 4: 1 - 0.1 ** (2 / 3), 7: 0.9}
    for update, (model, masks) in found.items():
        sparsity = expected[max(first for first in expected if first <= update)]
        assert sum(int((~m).sum()) for m in masks.values()) == round(sparsity * total)
        for name, mask in masks.items():
            assert not model[name][~mask].any()
    assert output.count("schedule (updates from here): 53.58% at 0, 78.46% at 3, 90% at 6") == 1


@pytest.mark.parametrize("options", [ITERATIVE, GRADUAL])
def test_what_is_pruned_stays_pruned(data, dense, tmp_path, options):
    train(
        data, tmp_path, *TRAIN, *options, "--prune-sparsity", "0.9", "--max-update", "10",
        "--finetune-from-model", dense, "--prune-scheme", "class-distribution",
    )  # fmt: skip
    before = None
    for _, (_, masks) in sorted(snapshots(tmp_path, 10).items()):
        if before:
            assert not any((masks[n] & ~before[n]).any() for n in masks)
        before = masks


def test_gradual_follows_the_cubic_ramp(data, dense, tmp_path):
    train(
        data, tmp_path, *TRAIN, *GRADUAL, "--prune-sparsity", "0.9", "--max-update", "10",
        "--finetune-from-model", dense,
    )  # fmt: skip
    for update, (model, masks) in snapshots(tmp_path, 10).items():
        # the checkpoint after update u holds what was pruned before it, at u - 1 or earlier
        t = min(update - 1, 8) // 2 * 2
        sparsity = 0.9 - 0.9 * (1 - (t - 2) / 6) ** 3 if t >= 2 else 0
        total = sum(w.numel() for w in model.values() if w.dim() == 2)
        pruned = sum(int((~m).sum()) for m in masks.values())
        assert pruned == round(sparsity * total)


def test_the_threshold_is_the_largest_pruned_magnitude(data, dense, tmp_path):
    """Of the second pruning too: of the weights that were left until then."""
    train(
        data, tmp_path, *TRAIN, *ITERATIVE, "--prune-sparsity", "0.9", "--max-update", "7",
        "--finetune-from-model", dense,
    )  # fmt: skip
    found = snapshots(tmp_path, 7)
    (weights, before), (_, after) = found[3], found.get(4, (None, None))
    if after is None:
        pytest.skip("update 4 ended an epoch")
    record = record_of(tmp_path / "checkpoint_1_4.pt")
    gone = [weights[n][before[n] & ~after[n]].abs() for n in before]
    left = [weights[n][after[n]].abs() for n in before]
    assert record["threshold"][""] == float(torch.cat(gone).max())
    assert float(torch.cat(left).min()) >= record["threshold"][""]


@pytest.mark.parametrize("options", [ITERATIVE, GRADUAL, ["--prune-begin", "4"]])
def test_the_best_checkpoint_is_at_the_target(data, dense, tmp_path, options):
    """With a learning rate of nothing, every denser model before it scores better."""
    arguments = [
        *TRAIN, *options, "--prune-sparsity", "0.9", "--finetune-from-model", dense,
        "--lr", "1e-30",
    ]  # fmt: skip
    best = tmp_path / "checkpoint_best.pt"
    train(data, tmp_path, *arguments, "--max-update", "9", "--keep-best-checkpoints", "2")
    assert state_of(best)["optimizer_history"][-1]["num_updates"] >= 5
    for path in [best, *tmp_path.glob("checkpoint.best_*")]:
        assert record_of(path)["sparsity"] == 0.9


def test_no_best_checkpoint_before_the_target(data, dense, tmp_path):
    arguments = [*TRAIN, *ITERATIVE, "--prune-sparsity", "0.9", "--finetune-from-model", dense]
    kill = ("kill", "at", "update", "6")
    run_killed = train(data, tmp_path, *arguments, "--max-update", "9", ok=-9, prepare=kill)
    assert "num_updates" in run_killed
    assert (tmp_path / "checkpoint_last.pt").exists()
    assert not (tmp_path / "checkpoint_best.pt").exists()
    train(data, tmp_path, *arguments, "--max-update", "9")
    assert record_of(tmp_path / "checkpoint_best.pt")["sparsity"] == 0.9


@pytest.mark.parametrize("cut", [None, 9])
def test_patience_counts_from_the_target_on(data, dense, tmp_path, cut):
    """At a learning rate of 0 no validation improves: it stops 3 after the first that counts."""
    arguments = [
        *TRAIN, *ITERATIVE, "--prune-sparsity", "0.9", "--finetune-from-model", dense,
        "--lr", "0", "--patience", "3",
    ]  # fmt: skip
    if cut:
        train(data, tmp_path, *arguments, "--max-update", "30", ok=-9,
              prepare=("kill", "at", "update", cut))  # fmt: skip
    output = train(data, tmp_path, *arguments, "--max-update", "30")
    assert "early stop since valid performance hasn't improved" in output
    # pruned to the target before update 7, whose validation is the first that counts
    state = state_of(tmp_path / "checkpoint_last.pt")
    assert state["optimizer_history"][-1]["num_updates"] == 7 + 3


def test_a_run_too_short_for_its_schedule_is_refused(data, dense, tmp_path):
    output = train(
        data, tmp_path / "run", *TRAIN, *ITERATIVE, "--prune-sparsity", "0.9",
        "--max-update", "6", "--finetune-from-model", dense, ok=False,
    )  # fmt: skip
    assert "--max-update 6" in output and "Traceback" not in output


def test_a_pruned_model_is_pruned_further(data, dense, tmp_path):
    run(
        "fairseq-prune", "prune", dense, tmp_path / "half.pt", "--sparsity", "0.5",
        "--scheme", "class-uniform",
    )  # fmt: skip
    before = state_of(tmp_path / "half.pt")["prune"]
    train(
        data, tmp_path / "run", *TRAIN, "--prune-schedule", "iterative", "--prune-rounds", "2",
        "--prune-every", "2", "--prune-spacing", "even", "--prune-sparsity", "0.9",
        "--max-update", "4", "--finetune-from-model", tmp_path / "half.pt",
    )  # fmt: skip
    first = masks_of(record_of(tmp_path / "run" / "checkpoint_1_1.pt"))
    count, total = (
        sum(int((~m).sum()) for m in first.values()),
        sum(m.numel() for m in first.values()),
    )
    assert abs(count - 0.7 * total) <= 1
    assert not any((first[n] & ~m).any() for n, m in masks_of(before).items())


def test_less_than_the_model_is_pruned_to_is_refused(data, dense, tmp_path):
    run("fairseq-prune", "prune", dense, tmp_path / "half.pt", "--sparsity", "0.5")
    output = train(
        data, tmp_path / "run", *TRAIN, "--prune-sparsity", "0.4", "--finetune-from-model",
        tmp_path / "half.pt", ok=False,
    )  # fmt: skip
    assert "sparsity 0.4 is below" in output and "Traceback" not in output


def test_max_epoch_short_of_the_target_is_said(data, dense, tmp_path):
    output = train(
        data, tmp_path, *TRAIN, *ITERATIVE, "--prune-every", "100", "--prune-sparsity", "0.9",
        "--max-epoch", "1", "--finetune-from-model", dense,
    )  # fmt: skip
    assert "WARNING" in output and "short of --prune-sparsity" in output
    assert "inf" not in re.findall(r"\| valid \| (\{.*\})", output)[-1].lower()
    assert not (tmp_path / "checkpoint_best.pt").exists()


@pytest.mark.parametrize("options", [["--prune-begin", "4"], GRADUAL])
def test_a_model_pruned_by_another_scheme_resumes_before_it_is_pruned(
    data, dense, tmp_path, options
):
    half = tmp_path / "half.pt"
    run("fairseq-prune", "prune", dense, half, "--sparsity", "0.5", "--scheme", "class-blind")
    arguments = [
        *TRAIN, "--prune-scheme", "class-distribution", "--prune-sparsity", "0.9", *options,
        "--max-update", "10", "--finetune-from-model", half,
    ]  # fmt: skip
    train(data, tmp_path / "whole", *arguments)
    train(data, tmp_path / "cut", *arguments, ok=-9, prepare=("kill", "at", "update", "2"))
    train(data, tmp_path / "cut", *arguments)
    whole, cut = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "cut"))
    assert equal(whole["model"], cut["model"])
    assert cut["last_optimizer_state"]["prune"]["scheme"] == "class-distribution"


def test_movement_that_is_summed_goes_on_where_it_was(data, dense, tmp_path):
    arguments = [
        *TRAIN, *GRADUAL, "--prune-score", "movement", "--prune-sparsity", "0.9",
        "--max-update", "10", "--finetune-from-model", dense,
    ]  # fmt: skip
    train(data, tmp_path / "whole", *arguments)
    for update in ("3", "5"):
        kill = ("kill", "at", "update", update)
        train(data, tmp_path / "cut", *arguments, ok=-9, prepare=kill)
    train(data, tmp_path / "cut", *arguments)
    whole, cut = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "cut"))
    assert equal(whole["model"], cut["model"])
    assert equal(whole["last_optimizer_state"], cut["last_optimizer_state"])
    assert cut["last_optimizer_state"]["prune"]["score"] == "movement"
