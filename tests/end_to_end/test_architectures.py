"""fairseq's own architectures and tasks: each trains, prunes, is killed, resumes, is evaluated."""

import json
import math
import re

import pytest
import torch
from commands import PLUGIN, equal, run, state_of, train
from undrawn import UNDRAWN

from fairseq_prune.parameters.kinds import is_copy
from fairseq_prune.pruning import unpack

BASE = """
    --seed 3 --cpu --required-batch-size-multiple 1 --num-workers 0 --clip-norm 5
    --log-format json --log-interval 1 --no-epoch-checkpoints --max-tokens 400
""".split()
PRUNE = """
    --prune-scheme class-blind --prune-sparsity 0.6 --prune-schedule iterative
    --prune-rounds 2 --prune-every 3 --max-update 8 --save-interval-updates 2
    --keep-interval-updates 1
""".split()
TRANSFORMER = """
    --encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --encoder-attention-heads 2
    --encoder-layers 2 --decoder-embed-dim 16 --decoder-ffn-embed-dim 32
    --decoder-attention-heads 2 --decoder-layers 2
""".split()
LM = "--tokens-per-sample 32 --sample-break-mode eos".split()

#: architecture and what it needs -> (task, options, parameters that are the same matrix)
MODELS = {
    "lstm": (
        "translation",
        "--arch lstm --encoder-embed-dim 16 --encoder-hidden-size 16 --decoder-embed-dim 16 "
        "--decoder-hidden-size 16 --decoder-out-embed-dim 16".split(),
    ),
    "transformer": (
        "translation", ["--arch", "transformer_iwslt_de_en", *TRANSFORMER],
    ),
    "transformer, tied": (
        "translation",
        ["--arch", "transformer_iwslt_de_en", *TRANSFORMER,
         "--share-decoder-input-output-embed"],
    ),
    "fconv": (
        "translation",
        ["--arch", "fconv", "--encoder-embed-dim", "16", "--decoder-embed-dim", "16",
         "--encoder-layers", "[(16, 3)] * 2", "--decoder-layers", "[(16, 3)] * 2",
         "--decoder-out-embed-dim", "16"],
    ),
    "lstm_lm": (
        "language_modeling",
        [*LM, *"--arch lstm_lm --decoder-embed-dim 16 --decoder-hidden-size 16 "
         "--decoder-out-embed-dim 16".split()],
    ),
    "transformer_lm, adaptive softmax": (
        "language_modeling",
        [*LM, *"--arch transformer_lm --decoder-embed-dim 16 --decoder-ffn-embed-dim 32 "
         "--decoder-attention-heads 2 --decoder-layers 2 --criterion adaptive_loss "
         "--adaptive-softmax-cutoff 8,16 --ddp-backend legacy_ddp".split()],
    ),
    "transformer_lm, tied": (
        "language_modeling",
        [*LM, *"--arch transformer_lm --decoder-embed-dim 16 --decoder-ffn-embed-dim 32 "
         "--decoder-attention-heads 2 --decoder-layers 2 "
         "--share-decoder-input-output-embed".split()],
    ),
}  # fmt: skip


def evaluate(task, corpus, checkpoint):
    common = ("--user-dir", PLUGIN, "--path", checkpoint, "--cpu", "--num-workers", "0")
    if task == "translation":
        output = run(
            "fairseq-generate", corpus, *common, "--batch-size", "8", "--beam", "2",
            "--required-batch-size-multiple", "1",
        )  # fmt: skip
        assert len(re.findall(r"^H-\d+\t", output, re.MULTILINE)) == 30
    else:
        output = run(
            "fairseq-eval-lm", corpus, *common, "--gen-subset", "test", "--batch-size", "4",
            "--sample-break-mode", "eos",
        )  # fmt: skip
        assert re.search(r"Perplexity: \d+\.\d+", output)


def report(checkpoint, corpus, out, kept, prepare):
    """Every class is in the report, the dense model as pruned to 80%."""
    pytest.importorskip("matplotlib")
    run("fairseq-prune", "report", checkpoint, corpus, "--out", out, prepare=prepare)
    found = json.loads((out / "report.json").read_text())
    rows = found["redundancy"]["classes"]
    total = sum(row["weights"] for row in rows)
    assert sum(row["kept"] for row in rows) == total - round((1 - kept) * total)
    # gates are spoken of where there are some
    gated = any("lstm" in name or "weight_hh" in name for name in state_of(checkpoint)["model"])
    # without the pictures, whose bytes spell anything
    words = re.sub("data:[^\"']*", "", (out / "report.html").read_text())
    assert ("LSTM" in words) == gated
    increases = [row["increase"] for row in found["sensitivity"]["rows"]]
    assert len(increases) == 3 * len(rows)
    # weight normalisation divides by the norm of weights, which may all be pruned
    known = [increase for increase in increases if increase is not None]
    has_norms = any(name.endswith("weight_g") for name in state_of(checkpoint)["model"])
    assert len(known) >= (len(rows) if has_norms else 3 * len(rows))
    assert all(map(math.isfinite, known))


@pytest.mark.parametrize("model", list(MODELS))
def test_trains_prunes_resumes_and_is_evaluated(data, text, tmp_path, model):
    task, options = MODELS[model]
    corpus = data if task == "translation" else text
    common = [*BASE, *options, "--lr", "0.01"]
    train(corpus, tmp_path / "dense", "--task", task, "--optimizer", "adam", "--max-update", "4",
          base=common)  # fmt: skip
    dense = tmp_path / "dense" / "checkpoint_last.pt"
    pruned = [
        *common, *PRUNE, "--task", f"pruned_{task}", "--optimizer", "pruned_adam",
        "--finetune-from-model", dense,
    ]  # fmt: skip
    train(corpus, tmp_path / "whole", base=pruned)
    train(corpus, tmp_path / "cut", base=pruned, ok=-9, prepare=("kill", "at", "update", "5"))
    train(corpus, tmp_path / "cut", base=pruned)
    whole, cut = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "cut"))
    # but for what stock transformers make anew whenever they are loaded: copies of weights, and
    # a number without a value
    models = [
        {n: w for n, w in s["model"].items() if not is_copy(n) and "_float_tensor" not in n}
        for s in (whole, cut, state_of(dense))
    ]
    assert equal(models[0], models[1])
    assert equal(whole["last_optimizer_state"], cut["last_optimizer_state"])
    assert list(models[0]) == list(models[2])
    record = whole["last_optimizer_state"]["prune"]
    masks = {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}
    count = sum(int((~m).sum()) for m in masks.values())
    assert count == round(0.6 * sum(m.numel() for m in masks.values()))
    for name, mask in masks.items():
        assert not whole["model"][name][~mask].any()
        assert not torch.signbit(whole["model"][name][~mask]).any()
    evaluate(task, corpus, tmp_path / "cut" / "checkpoint_best.pt")
    report(dense, corpus, tmp_path / "report", 0.2, UNDRAWN)
    # drawn once each for translation and language models; other models have other numbers in them
    drawn = model in ("transformer", "lstm_lm")
    cut = tmp_path / "cut" / "checkpoint_last.pt"
    report(cut, corpus, tmp_path / "report", 0.4, None if drawn else UNDRAWN)


@pytest.mark.parametrize(
    "model, tied, prunable",
    [
        # the table of 24 words and the output share one matrix, counted once
        ("transformer, tied", "decoder", "decoder.embed_tokens.weight"),
        ("transformer_lm, tied", "decoder", "decoder.embed_tokens.weight"),
    ],
)
def test_tied_matrices_have_one_mask(data, text, tmp_path, model, tied, prunable):
    task, options = MODELS[model]
    corpus = data if task == "translation" else text
    common = [*BASE, *options, "--lr", "0.01", "--optimizer", "pruned_adam"]
    train(corpus, tmp_path / "dense", "--task", task, "--max-update", "1", base=common)
    train(
        corpus, tmp_path / "run", "--task", f"pruned_{task}", *PRUNE,
        "--finetune-from-model", tmp_path / "dense" / "checkpoint_last.pt", base=common,
    )  # fmt: skip
    state = state_of(tmp_path / "run" / "checkpoint_last.pt")
    masks = state["last_optimizer_state"]["prune"]["masks"]
    output = f"{tied}.output_projection.weight"
    assert prunable in masks and output not in masks
    assert torch.equal(state["model"][prunable], state["model"][output])
    assert (state["model"][output] == 0).sum() > 0


def test_a_norm_without_weights_is_refused(data, tmp_path):
    _, options = MODELS["fconv"]
    common = [*BASE, *options, "--lr", "0.01", "--optimizer", "pruned_adam"]
    train(data, tmp_path / "dense", "--task", "translation", "--max-update", "1", base=common)
    dense = tmp_path / "dense" / "checkpoint_last.pt"
    start = ["--task", "pruned_translation", "--finetune-from-model", dense, "--max-update", "1"]
    prune = ["--prune-scheme", "class-blind", "--prune-sparsity", "0.97"]
    output = train(data, tmp_path / "run", *start, *prune, base=common, ok=False)
    assert "--prune-exclude 'weight_v$'" in output and "Traceback" not in output
    assert not (tmp_path / "run" / "checkpoint_last.pt").exists()
    output = run("fairseq-prune", "prune", dense, tmp_path / "out.pt", "--sparsity", "0.97",
                 ok=False)  # fmt: skip
    assert "--exclude 'weight_v$'" in output and not (tmp_path / "out.pt").exists()
    train(data, tmp_path / "run", *start, *prune, "--prune-exclude", "weight_v$", base=common)
