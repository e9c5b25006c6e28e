"""The oracle of these tests: sort everything in plain Python, cut after the k-th."""

import sys

import numpy as np
import pytest
import torch
from one_thread import one_thread  # noqa: F401  (a fixture)


def keep_all_but_lowest(scores, k):
    """name -> bool mask, False at the k first of a sort by (score, parameter, index)."""
    ranked = sorted(
        (score, place, index, name)
        for place, (name, values) in enumerate(scores.items())
        for index, score in enumerate(values)
    )
    masks = {name: torch.ones(len(values), dtype=torch.bool) for name, values in scores.items()}
    for _, _, index, name in ranked[:k]:
        masks[name][index] = False
    return masks


def magnitudes(weight):
    return [abs(value) for value in weight.detach().double().reshape(-1).tolist()]


def sigma(weights):
    return np.std(np.concatenate([w.detach().double().reshape(-1).numpy() for w in weights]))


def expected_masks(weights, classes, scheme, sparsity):
    """What section 3.3 of the paper asks for, shaped like the weights."""
    scores = {name: magnitudes(weight) for name, weight in weights.items()}
    by_class = {c: [n for n in weights if classes[n] == c] for c in classes.values()}
    if scheme == "class-distribution":
        for names in by_class.values():
            # rounded like the code does: what is a tie is decided in float32
            s = np.float32(sigma([weights[name] for name in names]) or 1.0)
            for name in names:
                scores[name] = [float(np.float32(score) / s) for score in scores[name]]
    rankings = by_class.values() if scheme == "class-uniform" else [list(weights)]
    masks = {}
    for names in rankings:
        ranked = {name: scores[name] for name in weights if name in names}
        k = round(sparsity * sum(map(len, ranked.values())))
        masks.update(keep_all_but_lowest(ranked, k))
    return {name: masks[name].view(weight.shape) for name, weight in weights.items()}


@pytest.fixture(scope="session")
def brute_force():
    return keep_all_but_lowest


@pytest.fixture(scope="session")
def brute_force_masks():
    return expected_masks


@pytest.fixture(params=[2, None])
def few(request, monkeypatch):
    """Of how many scores around the threshold the last digits are not counted; None: as usual."""
    if request.param is not None:
        module = sys.modules["fairseq_prune.pruning.selection"]
        monkeypatch.setattr(module, "FEW", request.param)


@pytest.fixture
def chunk_of(monkeypatch):
    """Makes every pass over the weights take them ``size`` at a time."""

    def set_chunk(size):
        for module in (
            "pieces",
            "selection",
            "n_of_m",
            "magnitude",
            "fisher",
            "row_floors",
            "pruned",
        ):
            # not by attribute: fairseq_prune.pruning.prune is the function
            monkeypatch.setattr(sys.modules[f"fairseq_prune.pruning.{module}"], "CHUNK", size)

    return set_chunk
