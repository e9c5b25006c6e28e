"""``--bf16`` on a machine without a TPU, which plain fairseq asks for."""

import json

import pytest
import torch
from commands import PLUGIN, SMALL, equal, run, state_of, train

from fairseq_prune.pruning import unpack

RUN = """
    --task pruned_translation --optimizer pruned_adam --lr 0.01 --prune-scheme class-blind
    --prune-sparsity 0.8 --max-update 12 --save-interval-updates 2 --keep-interval-updates 1
""".split()


def losses(output):
    """{update: training loss}, as the log has them."""
    records = (json.loads(x) for x in map(_json, output.splitlines()) if x)
    return {int(r["num_updates"]): float(r["loss"]) for r in records if "num_updates" in r}


def _json(line):
    return line[line.index("{") :] if '"loss"' in line and "train_inner" in line else ""


def test_the_fault(data, tmp_path):
    plain = ["lstm" if word == "pruned_lstm_nmt_tiny" else word for word in SMALL]
    del plain[plain.index("--init-range") : plain.index("--init-range") + 2]
    said = run("fairseq-train", data, *plain, "--bf16", "--save-dir", tmp_path, ok=False,
               prepare=("outside", "refuse_the_plugin"))  # fmt: skip
    assert "xla_device" in said


@pytest.mark.parametrize("mode", ["--bf16", "--memory-efficient-bf16"])
def test_pruned_killed_and_resumed(data, dense, tmp_path, mode):
    arguments = [*RUN, "--finetune-from-model", dense]
    fp32 = losses(train(data, tmp_path / "fp32", *arguments))
    said = train(data, tmp_path / "whole", *arguments, mode)
    train(data, tmp_path / "cut", *arguments, mode, ok=-9, prepare=("kill", "at", "update", "7"))
    train(data, tmp_path / "cut", *arguments, mode)
    whole, cut = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "cut"))
    if mode == "--memory-efficient-bf16":
        assert equal(whole["model"], cut["model"])
        assert equal(whole["last_optimizer_state"], cut["last_optimizer_state"])
    for state in (whole, cut):  # (fairseq saves no masters: --bf16 goes on from rounded ones)
        record = state["last_optimizer_state"]["prune"]
        masks = {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}
        total = sum(mask.numel() for mask in masks.values())
        assert sum(int((~mask).sum()) for mask in masks.values()) == round(0.8 * total)
        for name, mask in masks.items():
            weight = state["model"][name]
            assert equal(weight, weight.bfloat16().float())
            assert not weight[~mask].any() and not torch.signbit(weight[~mask]).any()
    assert equal(*(x["last_optimizer_state"]["prune"]["masks"] for x in (whole, cut)))
    assert cut["optimizer_history"][-1]["num_updates"] == 12
    # 8 bits of precision: the same training, nearly
    bf16 = losses(said)
    assert bf16 != fp32 and len(fp32) == 12
    assert bf16 == {update: pytest.approx(loss, rel=0.03) for update, loss in fp32.items()}
    output = run("fairseq-generate", data, "--user-dir", PLUGIN, "--path",
                 tmp_path / "cut" / "checkpoint_best.pt", "--cpu", "--bf16")  # fmt: skip
    assert output.count("\nH-") == 30
