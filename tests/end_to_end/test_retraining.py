"""Invariants 1, 2, 4, 5 and 8 through the real fairseq-train."""

import json
import re

import pytest
import torch
from commands import PLUGIN, RETRAIN, equal, run, state_of, train

from fairseq_prune.pruning import unpack


def zeros_and_total(model):
    """Exact zeros in the matrices, and their entries; a -0.0 does not count."""
    matrices = [w for w in model.values() if w.dim() == 2]
    zeros = sum(int(((w == 0) & ~torch.signbit(w)).sum()) for w in matrices)
    return zeros, sum(w.numel() for w in matrices)


def logged(output, key):
    lines = re.findall(r"\{.*\}", output)
    return [row for row in (json.loads(line) for line in lines if key in line)]


def test_prunes_exactly_and_keeps_zeros(retrained):
    folder, _ = retrained
    for name in ("checkpoint_best.pt", "checkpoint_last.pt"):
        state = state_of(folder / name)
        zeros, total = zeros_and_total(state["model"])
        record = state["last_optimizer_state"]["prune"]
        for parameter, packed in record["masks"].items():
            weight = state["model"][parameter]
            pruned = ~unpack(packed, weight.shape)
            assert not weight[pruned].any() and not torch.signbit(weight[pruned]).any()
        pruned = sum(
            int((~unpack(m, record["shapes"][n])).sum()) for n, m in record["masks"].items()
        )
        assert pruned == round(0.8 * total)
        assert zeros >= pruned


def test_prunes_the_smallest_of_the_dense_model(dense, retrained):
    before = state_of(dense)["model"]
    record = state_of(retrained[0] / "checkpoint_last.pt")["last_optimizer_state"]["prune"]
    names = list(record["masks"])
    size = torch.cat([before[n].abs().flatten() for n in names])
    # brute force: a stable sort of everything
    order = torch.sort(size, stable=True)[1]
    expected = torch.ones_like(size, dtype=torch.bool)
    expected[order[: round(0.8 * len(size))]] = False
    masks = torch.cat([unpack(record["masks"][n], record["shapes"][n]).flatten() for n in names])
    assert torch.equal(masks, expected)


def test_momentum_is_zero_where_weights_are_pruned(retrained):
    state = state_of(retrained[0] / "checkpoint_last.pt")
    optimizer = state["last_optimizer_state"]
    buffers = [optimizer["state"][k]["momentum_buffer"] for k in sorted(optimizer["state"])]
    masks = [
        unpack(m, optimizer["prune"]["shapes"][n]) for n, m in optimizer["prune"]["masks"].items()
    ]
    assert len(buffers) == len(masks) and any(b.any() for b in buffers)
    for buffer, mask in zip(buffers, masks):
        assert not buffer[~mask].any()
        assert not torch.signbit(buffer[~mask]).any()


def test_state_dict_is_that_of_the_dense_model(dense, retrained):
    before, after = state_of(dense)["model"], state_of(retrained[0] / "checkpoint_best.pt")["model"]
    assert [(n, w.shape, w.dtype) for n, w in before.items()] == [
        (n, w.shape, w.dtype) for n, w in after.items()
    ]


def test_log_says_what_was_pruned(retrained):
    _, output = retrained
    assert re.search(
        r"pruned [\d,]+ of [\d,]+ weights \(80\.00%\), class-blind, threshold 0\.\d+", output
    )
    for name in ("source embedding", "source layer 2", "target layer 1", "attention", "softmax"):
        assert re.search(rf"^{name} +[\d,]+ +[\d,]+ +\d+\.\d\d% ", output, re.MULTILINE)


def test_sparsity_is_a_metric(retrained):
    _, output = retrained
    assert {float(row["sparsity"]) for row in logged(output, '"sparsity"')} == {0.8}
    assert any("valid_sparsity" in row for row in logged(output, "valid_sparsity"))


def test_pruned_weights_have_no_say_in_the_gradient_norm(data, dense, tmp_path):
    """The first norm logged after the prune is over the surviving weights alone."""
    output = train(
        data, tmp_path / "run", *RETRAIN, "--dropout", "0", "--finetune-from-model", dense,
        "--max-update", "1",
    )  # fmt: skip
    norm = float(logged(output, '"gnorm"')[0]["gnorm"])
    # momentum after the first step is the clipped gradient plus weight decay x weight:
    # recover the gradient and compare
    state = state_of(tmp_path / "run" / "checkpoint_last.pt")
    optimizer, record = state["last_optimizer_state"], state["last_optimizer_state"]["prune"]
    before = state_of(dense)["model"]
    total = 0.0
    for k, (name, packed) in enumerate(record["masks"].items()):
        mask = unpack(packed, record["shapes"][name])
        buffer = optimizer["state"][k]["momentum_buffer"]
        total += float((buffer - 0.01 * before[name])[mask].double().square().sum())
    assert norm < 5, "not clipped, or the comparison below does not hold"
    assert abs(total**0.5 - norm) < 2e-3


def test_resumed_equals_uninterrupted(data, dense, retrained, tmp_path):
    whole = state_of(retrained[0] / "checkpoint_last.pt")
    start = ("--finetune-from-model", dense)
    train(data, tmp_path / "run", *RETRAIN, *start, "--max-update", "8")
    stopped = state_of(tmp_path / "run" / "checkpoint_last.pt")
    assert stopped["optimizer_history"][-1]["num_updates"] == 8
    output = train(data, tmp_path / "run", *RETRAIN, *start, "--max-update", "12")
    assert "pruned " not in output.replace("pruned_", ""), "it must take the mask up, not prune"
    resumed = state_of(tmp_path / "run" / "checkpoint_last.pt")
    assert equal(resumed["model"], whole["model"])
    assert equal(resumed["last_optimizer_state"], whole["last_optimizer_state"])
    history = resumed["optimizer_history"][-1], whole["optimizer_history"][-1]
    assert history[0]["lr_scheduler_state"] == history[1]["lr_scheduler_state"]


def test_without_scheme_trains_as_the_stock_task_does(data, tmp_path):
    common = ("--momentum", "0.9", "--lr", "0.5", "--max-update", "8")
    train(data, tmp_path / "a", "--task", "translation", "--optimizer", "sgd", *common)
    train(
        data, tmp_path / "b", "--task", "pruned_translation", "--optimizer", "pruned_sgd", *common
    )
    a, b = (state_of(tmp_path / x / "checkpoint_last.pt") for x in "ab")
    assert equal(a["model"], b["model"])
    assert equal(a["last_optimizer_state"], b["last_optimizer_state"])


def test_best_checkpoint_is_pruned_although_the_dense_one_scored_better(data, tmp_path):
    """Continuing a dense run elsewhere: fairseq takes the best score over with it."""
    run = ("--task", "pruned_translation", "--optimizer", "pruned_sgd", "--lr", "0.5")
    train(data, tmp_path / "dense", *run, "--max-update", "20")
    dense = tmp_path / "dense" / "checkpoint_last.pt"
    best = state_of(dense)["extra_state"]["best"]
    train(
        data, tmp_path / "run", *run, "--lr", "1e-6", "--prune-scheme", "class-uniform",
        "--prune-sparsity", "0.9", "--restore-file", dense, "--max-update", "22",
    )  # fmt: skip
    state = state_of(tmp_path / "run" / "checkpoint_best.pt")
    assert state["optimizer_history"][-1]["num_updates"] > 20
    assert state["extra_state"]["best"] > best, "the pruned model must score worse here"
    zeros, total = zeros_and_total(state["model"])
    assert zeros >= round(0.9 * total) - len(state["model"])


@pytest.mark.parametrize("dense_has_one", [True, False])
def test_average_of_the_weights_is_pruned_too(data, dense, tmp_path, dense_has_one):
    ema = ("--store-ema", "--ema-decay", "0.5", "--max-update", "3")
    if dense_has_one:
        train(data, tmp_path / "dense", "--task", "translation", "--optimizer", "sgd", *ema)
        dense = tmp_path / "dense" / "checkpoint_last.pt"
    train(data, tmp_path / "run", *RETRAIN, "--finetune-from-model", dense, *ema)
    state = state_of(tmp_path / "run" / "checkpoint_last.pt")
    record = state["last_optimizer_state"]["prune"]
    for name, packed in record["masks"].items():
        pruned = ~unpack(packed, record["shapes"][name])
        average = state["extra_state"]["ema"][name]
        assert average.any() and not average[pruned].any()
        # between the weights before and after
        assert not torch.equal(average, state["model"][name])


def test_a_retrained_checkpoint_needs_nothing_of_where_it_was_made(data, retrained, tmp_path):
    """fairseq-validate builds the task from the checkpoint, which has no folder of the run."""
    moved = tmp_path / "elsewhere.pt"
    state = state_of(retrained[0] / "checkpoint_best.pt")
    for key in ("save_dir", "finetune_from_model"):
        assert key not in state["cfg"]["task"]
        state["cfg"]["checkpoint"][key] = str(tmp_path / "gone")
    torch.save(state, str(moved))
    output = run(
        "fairseq-validate", data, "--user-dir", PLUGIN, "--task", "translation", "--path", moved,
        "--valid-subset", "valid", "--max-tokens", "400", "--cpu", "--num-workers", "0",
    )  # fmt: skip
    assert "valid on 'valid' subset" in output
