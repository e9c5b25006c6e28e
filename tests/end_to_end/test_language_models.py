"""Language models through the real commands: trained, pruned, factorized, packed, scored."""

import json
import re

import numpy as np
import pytest
import torch
from commands import PLUGIN, equal, run, state_of, train

from fairseq_prune.analysis.language_model import subset_perplexity, words_of
from fairseq_prune.runtime.load import load

LM = """
    --task pruned_language_modeling --tokens-per-sample 12 --batch-size 4 --seed 3 --cpu
    --num-workers 0 --clip-norm 0.25 --optimizer pruned_sgd --lr 5 --log-format json
    --no-epoch-checkpoints --arch pruned_lstm_lm_tiny
""".split()
LOW_RANK = "--factorization low-rank --lstm-rank 6 --softmax-rank 5 --embedding-rank 7".split()
TRAIN = "--factorization tensor-train --lstm-rank 6 --softmax-rank 5".split()
#: Nothing is lost.
FULL_LOW_RANK = "--factorization low-rank --lstm-rank 32 --softmax-rank 24 --embedding-rank 24"
FULL_TRAIN = "--factorization tensor-train --lstm-rank 999 --softmax-rank 999"


@pytest.fixture(scope="module")
def model(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    train(text, folder, "--max-update", "20", base=LM)
    return folder / "checkpoint_best.pt"


@pytest.fixture(scope="module")
def loud(model, tmp_path_factory):
    """The model with matrices ten times as large: its loss depends on each of them."""
    state = state_of(model)
    for weight in state["model"].values():
        weight.mul_(10 if weight.dim() == 2 else 1)
    path = tmp_path_factory.mktemp("loud") / "loud.pt"
    torch.save(state, path)
    return path


def eval_lm(data, path, *more):
    """fairseq-eval-lm's loss in bits a word."""
    said = run(
        "fairseq-eval-lm", data, "--user-dir", PLUGIN, "--path", path, "--gen-subset", "test",
        "--tokens-per-sample", "2048", "--batch-size", "2", "--cpu", "--num-workers", "0", *more,
    )  # fmt: skip
    return float(re.search(r"Loss \(base 2\): ([\d.]+)", said).group(1))


def retrain(text, folder, start, *more):
    options = ("--finetune-from-model", start, "--max-update", "8")
    return train(text, folder, *options, *more, base=LM)


def ours(path, data, runtime="dense"):
    loaded, _, task = load(str(path), str(data), runtime, {"tokens_per_sample": 2048})
    task.load_dataset("test")
    return subset_perplexity(loaded, task, "test"), task


def test_perplexity_is_that_of_fairseq_eval_lm(data, text, model):
    found, task = ours(model, text)
    assert found == pytest.approx(2 ** eval_lm(text, model), rel=1e-4)
    # every word of the text counts, and its lines' ends
    lines = (data.parent / "test.en").read_text().splitlines()
    assert len(words_of(task, "test")) == sum(len(line.split()) + 1 for line in lines)


def test_pruned_and_retrained(text, model, tmp_path):
    options = "--prune-scheme class-blind --prune-sparsity 0.8 --prune-exclude embedding".split()
    retrain(text, tmp_path, model, *options)
    state = state_of(tmp_path / "checkpoint_best.pt")["model"]
    dense = state_of(model)["model"]
    assert state.keys() == dense.keys()
    weights = [n for n in state if state[n].dim() == 2 and "embed" not in n]
    total = sum(state[n].numel() for n in weights)
    assert sum(int((state[n] == 0).sum()) for n in weights) == round(0.8 * total)
    assert int((state["decoder.embed_tokens.weight"] == 0).sum()) == 32  # the padding's
    assert not torch.equal(state["decoder.fc_out.bias"], dense["decoder.fc_out.bias"])


def factors_of(state, name):
    """The factors in a checkpoint that stand for matrix ``name``, without biases."""
    part = re.sub(r"weight_(\w\w_l\d)$", r"\1", name).replace(".weight", "") + "."
    found = {n[len(part) :]: w for n, w in state.items() if n.startswith(part)}
    return {n: w for n, w in found.items() if "bias" not in n}


def multiplied_out(factors, shape):
    """The matrix that ``factors`` make; tensor trains of three cores by their definition."""
    if "table.weight" in factors:
        return factors["table.weight"] @ factors["up.weight"].T
    if "left.weight" in factors:
        return factors["left.weight"] @ factors["right.weight"]
    cores = [factors[f"cores.{k}"].numpy() for k in range(3)]
    whole = np.einsum("zabp,pcdq,qefz->acebdf", *cores)
    rows = np.prod([core.shape[1] for core in cores])
    return torch.from_numpy(whole.reshape(rows, -1)[: shape[0], : shape[1]].copy())


@pytest.mark.parametrize("options", [LOW_RANK, TRAIN], ids=["low-rank", "tensor-train"])
def test_factorized(text, loud, tmp_path, options):
    """Each matrix is what its factors make, and retraining goes on from there."""
    if options is TRAIN:
        pytest.importorskip("tensorly")
    small = tmp_path / "small.pt"
    found = json.loads(run("fairseq-prune", "factorize", loud, small, *options, "--json"))
    dense = state_of(loud)
    before, after = dense["model"], state_of(small)["model"]
    assert {m["name"] for m in found} == before.keys() - after.keys() - {"decoder.fc_out.bias"}
    for matrix in found:
        weight, factors = before[matrix["name"]], factors_of(after, matrix["name"])
        assert matrix["after"] == sum(w.numel() for w in factors.values())
        made = multiplied_out(factors, weight.shape)
        error = float((made - weight).norm() / weight.norm())
        assert matrix["error"] == pytest.approx(error, abs=1e-5) and 0 < error < 1
        if options is LOW_RANK:
            rank = min(min(w.shape) for w in factors.values())
            best = float(torch.linalg.svdvals(weight)[rank:].norm() / weight.norm())
            assert error == pytest.approx(best, abs=1e-5)
        before[matrix["name"]] = made
    # the loss is that of the dense model with these matrices
    torch.save(dense, tmp_path / "made.pt")
    loss = eval_lm(text, small)
    assert loss == pytest.approx(eval_lm(text, tmp_path / "made.pt"), abs=2e-3)
    assert abs(loss - eval_lm(text, loud)) > 0.01
    retrain(text, tmp_path / "same", small, *options, "--lr", "0")
    assert equal(state_of(tmp_path / "same" / "checkpoint_last.pt")["model"], after)
    retrain(text, tmp_path / "more", small, *options)
    more = state_of(tmp_path / "more" / "checkpoint_last.pt")["model"]
    assert more.keys() == after.keys()
    assert not any(torch.equal(w, after[name]) for name, w in more.items())


@pytest.mark.parametrize("options", [FULL_LOW_RANK, FULL_TRAIN], ids=["low-rank", "tensor-train"])
def test_factorized_at_full_rank(text, loud, tmp_path, options):
    if options is FULL_TRAIN:
        pytest.importorskip("tensorly")
    whole = tmp_path / "whole.pt"
    said = run("fairseq-prune", "factorize", loud, whole, *options.split(), "--json")
    assert max(matrix["error"] for matrix in json.loads(said)) < 1e-5
    assert eval_lm(text, whole) == pytest.approx(eval_lm(text, loud), abs=2e-3)


def test_validation_is_of_the_cores_there_are(text, tmp_path):
    """Adam writes where autograd does not see it: the matrices are made anew all the same."""
    options = ("--optimizer", "pruned_adam", "--lr", "0.01", "--validate-interval-updates", "6",
               "--required-batch-size-multiple", "1")  # fmt: skip
    said = train(text, tmp_path, *TRAIN, *options, "--max-update", "18", base=LM)
    logged = re.findall(r'"valid_loss": "([\d.]+)"', said)
    assert len(logged) >= 3 and logged[0] != logged[-1]
    found = run(
        "fairseq-eval-lm", text, "--user-dir", PLUGIN, "--path", tmp_path / "checkpoint_last.pt",
        "--gen-subset", "valid", "--tokens-per-sample", "12", "--batch-size", "4", "--cpu",
        "--num-workers", "0",
    )  # fmt: skip
    loss = float(re.search(r"Loss \(base 2\): ([\d.]+)", found).group(1))
    assert loss == pytest.approx(float(logged[-1]), abs=0.002)


def test_factorized_pruned_and_retrained(text, model, tmp_path):
    run("fairseq-prune", "factorize", model, tmp_path / "small.pt", *LOW_RANK)
    prune = "--prune-scheme class-blind --prune-sparsity 0.6".split()
    retrain(text, tmp_path / "p", tmp_path / "small.pt", *LOW_RANK, *prune)
    state = state_of(tmp_path / "p" / "checkpoint_best.pt")["model"]
    matrices = [w for w in state.values() if w.dim() >= 2]
    total = sum(w.numel() for w in matrices)
    assert sum(int((w == 0).sum()) for w in matrices) == round(0.6 * total)


@pytest.mark.parametrize(
    "options", [[], LOW_RANK, TRAIN], ids=["dense", "low-rank", "tensor-train"]
)
def test_packed_and_scored_with_each_runtime(text, model, tmp_path, options):
    path = model
    if options:
        if options is TRAIN:
            pytest.importorskip("tensorly")
        path = tmp_path / "small.pt"
        run("fairseq-prune", "factorize", model, path, *options)
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


def test_from_scratch_and_resumed(text, tmp_path):
    """Interrupted and gone on with, a factorized model ends as one that was not."""
    train(text, tmp_path / "a", *LOW_RANK, "--max-update", "9", base=LM)
    train(text, tmp_path / "b", *LOW_RANK, "--max-update", "5", base=LM)
    train(text, tmp_path / "b", *LOW_RANK, "--max-update", "9", base=LM)
    last = [state_of(tmp_path / x / "checkpoint_last.pt")["model"] for x in "ab"]
    assert equal(*last)


@pytest.mark.parametrize(
    "options, message",
    [
        ("--factorization svd --lstm-rank 2", "--factorization svd: choose from low-rank"),
        ("--factorization low-rank", "--factorization low-rank needs a rank"),
        ("--factorization low-rank --lstm-rank 33", "weight_hh_l0: rank 33 is out of range"),
        (
            "--factorization tensor-train --embedding-rank 3",
            "--embedding-rank is for --factorization low-rank",
        ),
    ],
)
def test_mistakes(model, tmp_path, options, message):
    out = tmp_path / "out.pt"
    said = run("fairseq-prune", "factorize", model, out, *options.split(), ok=False)
    assert message in said and "Traceback" not in said and not out.exists()


def test_mistakes_of_models(model, dense, tmp_path):
    out = tmp_path / "out.pt"
    said = run("fairseq-prune", "factorize", dense, out, *LOW_RANK, ok=False)
    assert "is no pruned_lstm_lm" in said and not out.exists()
    pruned = tmp_path / "pruned.pt"
    run("fairseq-prune", "prune", model, pruned, "--sparsity", "0.5")
    said = run("fairseq-prune", "factorize", pruned, out, *LOW_RANK, ok=False)
    assert "is pruned, its factors would not be; factorize, then prune" in said
    assert not out.exists()
    state = state_of(model)
    state["model"]["decoder.lstm.weight_hh_l1"][3, 4] = float("nan")
    torch.save(state, tmp_path / "nan.pt")
    for options in (LOW_RANK, TRAIN):
        said = run("fairseq-prune", "factorize", tmp_path / "nan.pt", out, *options, ok=False)
        assert "weight_hh_l1: it has elements that are no finite numbers" in said
        assert "Traceback" not in said and not out.exists()
    run("fairseq-prune", "factorize", model, out, *LOW_RANK)
    said = run("fairseq-prune", "factorize", out, tmp_path / "twice.pt", *LOW_RANK, ok=False)
    assert "is factorized already" in said and not (tmp_path / "twice.pt").exists()
