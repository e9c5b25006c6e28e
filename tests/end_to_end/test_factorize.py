"""Factorized language models through the real commands: made, trained, refused."""

import json
import re

import numpy as np
import pytest
import torch
from commands import equal, run, state_of, train
from language_models import LM, LOW_RANK, TRAIN, eval_lm, retrain

#: Nothing is lost.
FULL_LOW_RANK = "--factorization low-rank --lstm-rank 32 --softmax-rank 24 --embedding-rank 24"
FULL_TRAIN = "--factorization tensor-train --lstm-rank 999 --softmax-rank 999"


@pytest.fixture(scope="module")
def loud(language_model, tmp_path_factory):
    """The model with matrices ten times as large: its loss depends on each of them."""
    state = state_of(language_model)
    for weight in state["model"].values():
        weight.mul_(10 if weight.dim() == 2 else 1)
    path = tmp_path_factory.mktemp("loud") / "loud.pt"
    torch.save(state, path)
    return path


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
    loss = eval_lm(text, tmp_path / "checkpoint_last.pt", subset="valid", tokens=12, batch=4)
    assert loss == pytest.approx(float(logged[-1]), abs=0.002)


def test_factorized_pruned_and_retrained(text, language_model, tmp_path):
    run("fairseq-prune", "factorize", language_model, tmp_path / "small.pt", *LOW_RANK)
    prune = "--prune-scheme class-blind --prune-sparsity 0.6".split()
    retrain(text, tmp_path / "p", tmp_path / "small.pt", *LOW_RANK, *prune)
    state = state_of(tmp_path / "p" / "checkpoint_best.pt")["model"]
    matrices = [w for w in state.values() if w.dim() >= 2]
    total = sum(w.numel() for w in matrices)
    assert sum(int((w == 0).sum()) for w in matrices) == round(0.6 * total)


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
def test_mistakes(language_model, tmp_path, options, message):
    out = tmp_path / "out.pt"
    said = run("fairseq-prune", "factorize", language_model, out, *options.split(), ok=False)
    assert message in said and "Traceback" not in said and not out.exists()


def test_mistakes_of_models(language_model, dense, tmp_path):
    out = tmp_path / "out.pt"
    said = run("fairseq-prune", "factorize", dense, out, *LOW_RANK, ok=False)
    assert "is no pruned_lstm_lm" in said and not out.exists()
    pruned = tmp_path / "pruned.pt"
    run("fairseq-prune", "prune", language_model, pruned, "--sparsity", "0.5")
    said = run("fairseq-prune", "factorize", pruned, out, *LOW_RANK, ok=False)
    assert "is pruned, its factors would not be; factorize, then prune" in said
    assert not out.exists()
    state = state_of(language_model)
    state["model"]["decoder.lstm.weight_hh_l1"][3, 4] = float("nan")
    torch.save(state, tmp_path / "nan.pt")
    for options in (LOW_RANK, TRAIN):
        said = run("fairseq-prune", "factorize", tmp_path / "nan.pt", out, *options, ok=False)
        assert "weight_hh_l1: it has elements that are no finite numbers" in said
        assert "Traceback" not in said and not out.exists()
    run("fairseq-prune", "factorize", language_model, out, *LOW_RANK)
    said = run("fairseq-prune", "factorize", out, tmp_path / "twice.pt", *LOW_RANK, ok=False)
    assert "is factorized already" in said and not (tmp_path / "twice.pt").exists()
