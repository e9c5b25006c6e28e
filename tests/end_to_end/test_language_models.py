"""Language models through the real commands: trained, pruned, packed, scored."""

import json
import re

import pytest
import torch
from commands import PLUGIN, equal, run, state_of, train
from language_models import LM, LOW_RANK, SHORT, TRAIN, eval_lm, retrain

from fairseq_prune.analysis.language_model import subset_perplexity, words_of
from fairseq_prune.engine.library import find_library
from fairseq_prune.loading.load import load
from fairseq_prune.pruning import PruneError


def ours(path, data, runtime="dense"):
    loaded, _, task = load(str(path), str(data), runtime, {"tokens_per_sample": 2048})
    task.load_dataset("test")
    return subset_perplexity(loaded, task, "test"), task


def test_perplexity_is_that_of_fairseq_eval_lm(data, text, language_model):
    found, task = ours(language_model, text)
    assert found == pytest.approx(2 ** eval_lm(text, language_model), rel=1e-4)
    # every word of the text counts, and its lines' ends
    lines = (data.parent / "test.en").read_text().splitlines()
    assert len(words_of(task, "test")) == sum(len(line.split()) + 1 for line in lines)


@pytest.fixture(scope="module")
def short_sighted(text, tmp_path_factory):
    """A packed transformer that reads 12 words at a time, as it was trained to."""
    folder = tmp_path_factory.mktemp("short")
    train(text, folder, "--max-update", "2", base=SHORT)
    run("fairseq-prune", "pack", folder / "checkpoint_last.pt", folder / "m.packed")
    return folder / "m.packed"


@pytest.mark.parametrize(
    "task, options",
    [
        ("language_modeling", []),
        ("pruned_language_modeling", ["--context-window", "4"]),
        ("pruned_language_modeling", ["--tokens-per-sample", "14", "--context-window", "4"]),
    ],
)
def test_blocks_too_long_for_the_model_are_not_left_out(data, text, short_sighted, task, options):
    command = (
        "fairseq-eval-lm", text, "--user-dir", PLUGIN, "--path", short_sighted, "--cpu",
        "--num-workers", "0", "--task", task,
    )  # fmt: skip
    said = run(*command, *options, ok=1)
    assert said.splitlines()[-1] == (
        "fairseq_prune: error: this model reads at most 12 tokens at a time; "
        "give --tokens-per-sample 12"
    )
    said = run(*command, *options, "--tokens-per-sample", "12")
    lines = (data.parent / "test.en").read_text().splitlines()
    words = sum(len(line.split()) + 1 for line in lines)
    assert f"Evaluated {words} tokens" in said


def test_lines_of_their_own_are_scored_as_they_are(text, short_sighted):
    assert eval_lm(text, short_sighted, "--sample-break-mode", "eos") > 1


def test_perplexity_is_of_the_whole_text_or_refused(text, short_sighted):
    with pytest.raises(PruneError, match="at most 12 tokens at a time; blocks of 2048 are scored"):
        ours(short_sighted, text)


def test_pruned_and_retrained(text, language_model, tmp_path):
    options = "--prune-scheme class-blind --prune-sparsity 0.8 --prune-exclude embedding".split()
    retrain(text, tmp_path, language_model, *options)
    state = state_of(tmp_path / "checkpoint_best.pt")["model"]
    dense = state_of(language_model)["model"]
    assert state.keys() == dense.keys()
    weights = [n for n in state if state[n].dim() == 2 and "embed" not in n]
    total = sum(state[n].numel() for n in weights)
    assert sum(int((state[n] == 0).sum()) for n in weights) == round(0.8 * total)
    assert int((state["decoder.embed_tokens.weight"] == 0).sum()) == 32  # the padding's
    assert not torch.equal(state["decoder.fc_out.bias"], dense["decoder.fc_out.bias"])


@pytest.mark.parametrize(
    "options", [[], LOW_RANK, TRAIN], ids=["dense", "low-rank", "tensor-train"]
)
def test_packed_and_scored_with_each_runtime(text, language_model, tmp_path, options):
    path = language_model
    if options:
        if options is TRAIN:
            pytest.importorskip("tensorly")
        path = tmp_path / "small.pt"
        run("fairseq-prune", "factorize", language_model, path, *options)
    run("fairseq-prune", "prune", path, tmp_path / "pruned.pt", "--sparsity", "0.7")
    path = tmp_path / "pruned.pt"
    packed = tmp_path / "m.packed"
    run("fairseq-prune", "pack", path, packed)
    run("fairseq-prune", "unpack", packed, tmp_path / "again.pt")
    assert equal(state_of(tmp_path / "again.pt")["model"], state_of(path)["model"])
    expected = eval_lm(text, path)
    assert eval_lm(text, packed) == expected
    sparse = eval_lm(
        text, packed, "--task", "pruned_language_modeling", "--prune-runtime", "sparse"
    )
    assert sparse == pytest.approx(expected, abs=2e-4)
    assert ours(packed, text, "sparse")[0] == pytest.approx(2**expected, rel=2e-4)
    int8 = tmp_path / "int8.packed"
    run("fairseq-prune", "pack", path, int8, "--values", "int8")
    assert ours(int8, text, "int8")[0] == pytest.approx(2**expected, rel=0.05)


def loss_of(packed, stdin, *more):
    said = run("fairseq-prune", "score", packed, *more, stdin=stdin)
    return float(re.fullmatch(r"Loss \(base 2\): ([\d.]+), Perplexity: [\d.]+ .*\n", said).group(1))


@pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")
def test_score_says_what_fairseq_eval_lm_does(data, text, language_model, tmp_path):
    packed, lines = tmp_path / "m.packed", (data.parent / "test.en").read_text(encoding="utf-8")
    run("fairseq-prune", "pack", language_model, packed, "--data", text)
    alone = eval_lm(text, packed, "--sample-break-mode", "eos")
    assert loss_of(packed, lines) == pytest.approx(alone, abs=2e-4)
    in_blocks = eval_lm(text, packed, tokens=50)
    assert loss_of(packed, lines, "--tokens-per-sample", "50") == pytest.approx(in_blocks, abs=2e-4)
    assert abs(alone - in_blocks) > 1e-3
    # of each line its own; they add up to the same
    rows = run("fairseq-prune", "score", packed, "--lines", stdin=lines).splitlines()
    counts = [len(line.split()) + 1 for line in lines.splitlines()]
    assert [int(row.split("\t")[1]) for row in rows] == counts
    bits = -sum(float(row.split("\t")[0]) for row in rows)
    assert bits / sum(counts) == pytest.approx(alone, abs=2e-4)
    file = data.parent / "test.en"
    found = json.loads(run("fairseq-prune", "score", packed, file, "--json", stdin="x\n"))
    assert found["words"] == sum(counts) and found["loss"] == pytest.approx(alone, abs=2e-4)
    rows = run("fairseq-prune", "score", packed, "--next", "2", stdin="a b\n\n").splitlines()
    probabilities = [float(row.split("\t")[1]) for row in rows]
    assert len(rows) == 4 and 1 > probabilities[0] >= probabilities[1] > 0
    for options, said in (
        (["--next", "2", "--json"], "--json is for the perplexity"),
        (["--next", "0"], "--next 0: give 1 to"),
        (["--batch-size", "0"], "--batch-size 0: give 1 or more"),
        (["--threads", "0"], "--threads 0: give 1 or more"),
        ([], "there is no text to score"),
    ):
        stdin = "a b\n" if options else ""
        said_there = run("fairseq-prune", "score", packed, *options, stdin=stdin, ok=False)
        assert said_there.startswith("fairseq-prune: error: ") and said in said_there
        assert said_there.count("\n") == 1


def test_tied_softmax_with_each_runtime(text, tmp_path):
    train(text, tmp_path, "--share-decoder-input-output-embed", "--max-update", "6", base=LM)
    run("fairseq-prune", "prune", tmp_path / "checkpoint_last.pt", tmp_path / "p.pt",
        "--sparsity", "0.6")  # fmt: skip
    expected = ours(tmp_path / "p.pt", text)[0]
    assert ours(tmp_path / "p.pt", text, "sparse")[0] == pytest.approx(expected, rel=1e-4)
    assert ours(tmp_path / "p.pt", text, "int8")[0] == pytest.approx(expected, rel=0.05)
    said = run("fairseq-prune", "factorize", tmp_path / "checkpoint_last.pt", tmp_path / "f.pt",
               *LOW_RANK, ok=False)  # fmt: skip
    assert "the softmax is tied to the embedding" in said
