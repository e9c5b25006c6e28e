"""Optimizers, resets, restored files, averages of checkpoints, and what is refused."""

import importlib.util
import re

import pytest
import torch
from commands import RETRAIN, equal, run, state_of, train
from fairseq.optim import OPTIMIZER_REGISTRY

import fairseq_prune  # noqa: F401  (registers)
from fairseq_prune.pruning import unpack

#: need packages that are not here (apex, deepspeed) or a GPU
ELSEWHERE = {"lamb", "cpu_adam"}
OPTIMIZERS = sorted(
    name[len("pruned_") :]
    for name in OPTIMIZER_REGISTRY
    if name.startswith("pruned_") and name[len("pruned_") :] not in ELSEWHERE
)


def masks_of(state):
    record = state.get("prune") or state["last_optimizer_state"]["prune"]
    return {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}


def clean(state):
    """Whether the pruned weights are exactly +0.0."""
    pruned = [state["model"][name][~mask] for name, mask in masks_of(state).items()]
    return not any(w.any() or torch.signbit(w).any() for w in pruned)


def test_the_optimizers_are_those_of_fairseq():
    assert {"sgd", "nag", "adam", "adamax", "adagrad", "adadelta", "adafactor"} <= set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_keeps_zeros_and_resumes_exactly(data, dense, tmp_path, name):
    arguments = [
        "--task", "pruned_translation", "--optimizer", f"pruned_{name}", "--lr", "0.01",
        "--prune-scheme", "class-distribution", "--prune-sparsity", "0.7", "--max-update", "7",
        "--finetune-from-model", dense, "--save-interval-updates", "2",
        "--weight-decay", "0.1",
    ]  # fmt: skip
    train(data, tmp_path / "whole", *arguments)
    train(data, tmp_path / "cut", *arguments, ok=-9, prepare=("kill", "at", "update", "5"))
    train(data, tmp_path / "cut", *arguments)
    whole, cut = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "cut"))
    assert clean(whole)
    assert equal(whole["model"], cut["model"])
    assert equal(whole["last_optimizer_state"], cut["last_optimizer_state"])
    before = state_of(dense)["model"]
    for key, mask in masks_of(whole).items():
        assert (before[key] != whole["model"][key])[mask].any(), "what is kept is trained"


def test_reset_optimizer_keeps_the_mask(data, retrained, tmp_path):
    """--restore-file elsewhere, with the optimizer's state, where the mask is, left behind."""
    before = state_of(retrained[0] / "checkpoint_last.pt")
    options = [a for a in RETRAIN if a not in ("--momentum", "0.9")]
    train(
        data, tmp_path, *options, "--optimizer", "pruned_adam", "--lr", "0.01",
        "--restore-file", retrained[0] / "checkpoint_last.pt", "--reset-optimizer",
        "--reset-lr-scheduler", "--reset-dataloader", "--reset-meters", "--max-update", "3",
    )  # fmt: skip
    after = state_of(tmp_path / "checkpoint_last.pt")
    assert equal(masks_of(before), masks_of(after)) and clean(after)
    assert after["optimizer_history"][-1]["num_updates"] == 3


def test_restored_file_goes_on_as_the_run_it_is_of(data, dense, retrained, tmp_path):
    """Interrupted here, continued in another folder: the end of the uninterrupted run."""
    start = ("--finetune-from-model", dense)
    train(data, tmp_path / "a", *RETRAIN, *start, "--max-update", "8")
    train(
        data, tmp_path / "b", *RETRAIN, "--max-update", "12",
        "--restore-file", tmp_path / "a" / "checkpoint_last.pt",
    )  # fmt: skip
    whole, moved = (state_of(f / "checkpoint_last.pt") for f in (retrained[0], tmp_path / "b"))
    assert equal(whole["model"], moved["model"])
    assert equal(whole["last_optimizer_state"], moved["last_optimizer_state"])


class TestAverage:
    @pytest.fixture(scope="class")
    def epochs(self, data, dense, tmp_path_factory):
        folder = tmp_path_factory.mktemp("epochs")
        base = [a for a in RETRAIN if a != "--no-epoch-checkpoints"]
        train(data, folder, *base, "--finetune-from-model", dense, "--max-update", "12",
              "--save-interval-updates", "4")  # fmt: skip
        return sorted(folder.glob("checkpoint_*_*.pt"))

    def test_is_the_mean_and_keeps_the_mask(self, data, epochs, tmp_path):
        out = tmp_path / "mean.pt"
        said = run("fairseq-prune", "average", *epochs, "--out", out)
        assert f"the mean of {len(epochs)} checkpoints" in said and len(epochs) >= 2
        states = [state_of(path) for path in epochs]
        mean = state_of(out)
        for name, tensor in mean["model"].items():
            expected = torch.stack([s["model"][name].double() for s in states]).mean(0).float()
            assert torch.equal(tensor, expected)
        assert equal(masks_of(mean), masks_of(states[0])) and clean(mean)
        assert "last_optimizer_state" not in mean
        output = run(
            "fairseq-generate", data, "--user-dir", "fairseq_prune", "--path", out,
            "--batch-size", "10", "--cpu", "--num-workers", "0",
            "--required-batch-size-multiple", "1",
        )  # fmt: skip
        assert len(re.findall(r"^H-", output, re.MULTILINE)) == 30

    def test_different_masks_are_refused(self, dense, epochs, tmp_path):
        run("fairseq-prune", "prune", epochs[0], tmp_path / "other.pt", "--sparsity", "0.9")
        for other in (tmp_path / "other.pt", dense):
            said = run("fairseq-prune", "average", epochs[0], other, "--out",
                       tmp_path / "mean.pt", ok=False)  # fmt: skip
            assert "different masks" in said and str(other) in said and "Traceback" not in said
        assert not (tmp_path / "mean.pt").exists()

    def test_other_models_are_refused(self, data, epochs, tmp_path):
        train(data, tmp_path, "--task", "translation", "--optimizer", "sgd", "--max-update", "1",
              "--hidden-size", "16", "--lr", "0.1")  # fmt: skip
        said = run("fairseq-prune", "average", epochs[0], tmp_path / "checkpoint_last.pt",
                   "--out", tmp_path / "mean.pt", ok=False)  # fmt: skip
        assert "different models" in said and "Traceback" not in said


@pytest.mark.parametrize(
    "options, said",
    [
        (("--ddp-backend", "fully_sharded"), "--ddp-backend fully_sharded"),
        (("--ddp-backend", "slowmo"), "--ddp-backend slowmo"),
        (("--model-parallel-size", "2"), "--model-parallel-size 2"),
        (("--quantization-config-path", "q.yaml"), "--quantization-config-path q.yaml"),
        (("--zero-sharding", "os"), "--zero-sharding os"),
        (("--use-bmuf",), "--use-bmuf"),
        (("--update-ordered-indices-seed",), "--update-ordered-indices-seed"),
        (("--store-ema", "--ema-update-freq", "2"), "--ema-update-freq 2"),
        (("--no-save-optimizer-state",), "--no-save-optimizer-state"),
        (("--store-ema", "--ema-fp32"), "--ema-fp32"),
    ],
)
def test_what_cannot_work_is_refused(data, dense, tmp_path, options, said):
    output = train(
        data, tmp_path / "run", *RETRAIN, "--finetune-from-model", dense, *options, ok=False
    )
    assert f"fairseq_prune: error: {said} with pruning" in output
    assert "Traceback" not in output
    assert not list((tmp_path / "run").glob("*.pt"))


def test_composite_is_refused_by_name(data, dense, tmp_path):
    options = [a for a in RETRAIN if a not in ("--momentum", "0.9", "--weight-decay", "0.01")]
    output = train(
        data, tmp_path / "run", *options, "--optimizer", "pruned_composite",
        "--finetune-from-model", dense, ok=False,
    )  # fmt: skip
    assert "pruned_composite" in output and "Traceback" not in output


@pytest.mark.skipif(importlib.util.find_spec("apex") is not None, reason="apex is here")
def test_an_optimizer_without_its_package_is_refused(data, dense, tmp_path):
    options = [a for a in RETRAIN if a not in ("--momentum", "0.9", "--weight-decay", "0.01")]
    output = train(
        data, tmp_path / "run", *options, "--optimizer", "pruned_lamb",
        "--finetune-from-model", dense, ok=False,
    )  # fmt: skip
    assert "--optimizer pruned_lamb cannot be used here" in output and "apex" in output
    assert "Traceback" not in output


def test_a_task_of_ones_own_gets_its_twin_in_two_lines(data, dense, tmp_path):
    plugin = tmp_path / "my_plugin"
    plugin.mkdir()
    (plugin / "__init__.py").write_text(
        "from dataclasses import dataclass\n"
        "from fairseq.tasks import register_task\n"
        "from fairseq.tasks.translation import TranslationConfig, TranslationTask\n"
        "@dataclass\n"
        "class MyConfig(TranslationConfig):\n"
        "    pass\n"
        "@register_task('my_task', dataclass=MyConfig)\n"
        "class MyTask(TranslationTask):\n"
        "    pass\n"
        "from fairseq_prune import register_pruned_task\n"
        "register_pruned_task('my_task')\n"
    )
    train(
        data, tmp_path / "run", *RETRAIN, "--task", "pruned_my_task", "--finetune-from-model",
        dense, "--max-update", "2", "--user-dir", plugin,
    )  # fmt: skip
    assert clean(state_of(tmp_path / "run" / "checkpoint_last.pt"))
