"""Scores that know the loss, teachers and ``compress`` on a GPU.

Run with ``pytest -m gpu`` where there is one; skipped elsewhere.
"""

import json
import re
import shlex

import pytest
import torch
from commands import FORKED, PLUGIN, SMALL, run, server, state_of, train
from on_gpu import MODES, NEEDS_GPU, ON_GPU

from fairseq_prune.pruning import unpack

pytestmark = NEEDS_GPU
PRUNED = """
    --task pruned_translation --optimizer pruned_adam --lr 0.01 --prune-scheme class-uniform
    --prune-sparsity 0.8
""".split()
TAUGHT = """
    --criterion distillation --label-smoothing 0.1 --save-interval-updates 3
    --keep-interval-updates 1
""".split()
SCORES = ["fisher", "taylor", "obs", "kron"]


def masks_in(folder):
    record = state_of(folder / "checkpoint_last.pt")["last_optimizer_state"]["prune"]
    return {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}


def logged(output, key):
    """The values of ``key`` after each update."""
    values = map(json.loads, re.findall(r"\btrain_inner\b.*?(\{.*\})$", output, re.MULTILINE))
    return [float(value[key]) for value in values if key in value]


@pytest.mark.parametrize("score", SCORES)
def test_a_gpu_chooses_nearly_what_the_cpu_does(data, dense, tmp_path, score):
    one = [*PRUNED, "--prune-score", score, "--prune-steps", "2", "--max-update", "1", "--lr", "0"]
    one += ["--finetune-from-model", dense]
    train(data, tmp_path / "gpu", *one, base=ON_GPU)
    train(data, tmp_path / "cpu", *one)
    gpu, cpu = (masks_in(tmp_path / where) for where in ("gpu", "cpu"))
    count = sum(mask.numel() for mask in cpu.values())
    kept = sum(int(mask.sum()) for mask in cpu.values())
    assert kept == sum(int(mask.sum()) for mask in gpu.values())
    # sums are taken in another order
    assert sum(int((gpu[n] != cpu[n]).sum()) for n in cpu) <= count // 200
    models = [state_of(tmp_path / x / "checkpoint_last.pt")["model"] for x in ("gpu", "cpu")]
    both = [torch.cat([m[n][gpu[n] & cpu[n]] for n in cpu]) for m in models]
    assert torch.norm(both[0] - both[1]) <= 0.02 * torch.norm(both[1])


@pytest.mark.parametrize("mode", list(MODES))
def test_a_teacher_and_a_score_through_a_kill(data, dense, tmp_path, mode):
    arguments = [
        *PRUNED, "--prune-score", "kron", *TAUGHT, *MODES[mode],
        "--finetune-from-model", dense, "--max-update", "8",
    ]  # fmt: skip
    output = train(data, tmp_path, *arguments, base=ON_GPU, ok=-9,
                   prepare=("kill", "at", "update", "5"))  # fmt: skip
    output += train(data, tmp_path, *arguments, base=ON_GPU)
    distances = logged(output, "teacher_kl")
    assert distances and all(0 < x < 20 for x in distances)
    masks, state = masks_in(tmp_path), state_of(tmp_path / "checkpoint_last.pt")
    total = sum(mask.numel() for mask in masks.values())
    pruned = sum(int((~mask).sum()) for mask in masks.values())
    assert abs(pruned - 0.8 * total) <= len(masks)  # exact in each class
    for name, mask in masks.items():
        assert not state["model"][name][~mask].any()
    assert state["optimizer_history"][-1]["num_updates"] == 8


def test_a_teacher_says_the_same_on_a_gpu(data, dense, tmp_path):
    arguments = [
        *PRUNED, *TAUGHT, "--max-update", "2", "--finetune-from-model", dense, "--dropout", "0",
    ]  # fmt: skip
    said = []
    for where, base in (("gpu", ON_GPU), ("cpu", SMALL)):
        output = train(data, tmp_path / where, *arguments, base=base)
        said.append([logged(output, key) for key in ("loss", "teacher_kl")])
    assert said[0] == [pytest.approx(values, rel=5e-3, abs=5e-3) for values in said[1]]


@pytest.mark.parametrize("mode", ["fp32", "fp16", "amp"])
def test_compress(data, dense, tmp_path, mode):
    out = tmp_path / "out"
    run(
        "fairseq-prune", "compress", dense, data, "--out", out, "--sparsity", "0.8", "--epochs",
        "3", "--generate", "--beam 2 --max-len-b 12", "--test", "test", "--command",
        shlex.join((*FORKED, "fairseq-train")), "--", *MODES[mode], env={"FORK_SERVER": server()},
    )  # fmt: skip
    card = json.loads((out / "card.json").read_text())
    assert [r["sparsity"] for r in card["rounds"]] == [0.65, 0.8]
    assert card["sparsity"] == pytest.approx(0.8, abs=1e-2)
    for path in ("checkpoint_best.pt", "model.packed"):
        said = run(
            "fairseq-generate", data, "--user-dir", PLUGIN, "--path", out / path,
            "--batch-size", "10", "--task", "pruned_translation",
        )  # fmt: skip
        assert len(re.findall(r"^H-", said, re.MULTILINE)) == 30
