"""Pruning what is pruned: masks within masks, counts exact, against a brute-force oracle."""

import pytest
import torch

from fairseq_prune.pruning import SCHEMES, PruneError, prune

CLASSES = {"a": "x", "b": "x", "c": "y"}


def weights(seed=0, ties=False):
    generator = torch.Generator().manual_seed(seed)
    found = {
        "a": torch.randn(30, 20, generator=generator),
        "b": torch.randn(7, 11, generator=generator),
        "c": 3 * torch.randn(40, 10, generator=generator),
    }
    if ties:  # many equal scores, zeros among the kept
        found = {name: w.round() for name, w in found.items()}
    return found


def brute_force(ranked, previous, scores, k):
    """Sort (pruned before first, score, position); the first k are pruned."""
    entries = []
    for position, name in enumerate(ranked):
        for index, score in enumerate(scores[name].flatten().tolist()):
            kept = bool(previous[name].flatten()[index])
            entries.append((kept, score if kept else 0.0, position, index, name))
    masks = {name: torch.ones(ranked[name].numel(), dtype=torch.bool) for name in ranked}
    for _, _, _, index, name in sorted(entries)[:k]:
        masks[name][index] = False
    return {name: mask.view(ranked[name].shape) for name, mask in masks.items()}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_second_pruning_matches_the_oracle(scheme, ties):
    w = weights(ties=ties)
    first = prune(w, CLASSES, scheme, 0.3).masks
    # retrained: other magnitudes, pruned ones at zero, and some kept at zero too
    w = {name: v * first[name] for name, v in weights(1, ties).items()}
    w["c"][0] = 0.0
    second = prune(w, CLASSES, scheme, 0.62, first)
    sigma = {
        c: torch.cat([w[n].flatten() for n in w if CLASSES[n] == c]).double().std(unbiased=False)
        for c in ("x", "y")
    }
    scores = {
        n: (v.abs() / float(sigma[CLASSES[n]]) if scheme == "class-distribution" else v.abs())
        for n, v in w.items()
    }
    rankings = [["a", "b"], ["c"]] if scheme == "class-uniform" else [["a", "b", "c"]]
    for names in rankings:
        ranked = {n: w[n] for n in names}
        k = round(0.62 * sum(v.numel() for v in ranked.values()))
        expected = brute_force(ranked, first, scores, k)
        for n in names:
            assert torch.equal(second.masks[n], expected[n])
            assert not (second.masks[n] & ~first[n]).any()
        assert sum(int((~second.masks[n]).sum()) for n in names) == k


def test_the_same_sparsity_again_changes_nothing():
    w = weights()
    first = prune(w, CLASSES, "class-blind", 0.5).masks
    again = prune({n: v * first[n] for n, v in w.items()}, CLASSES, "class-blind", 0.5, first)
    assert all(torch.equal(again.masks[n], first[n]) for n in w)


def test_kept_zeros_go_before_kept_numbers_but_after_what_is_pruned():
    w = {"a": torch.tensor([[0.0, 0.0, 5.0, 1.0]])}
    previous = {"a": torch.tensor([[True, False, True, True]])}
    result = prune(w, {"a": "x"}, "class-blind", 0.25, previous)
    assert result.masks["a"].tolist() == [[True, False, True, True]]
    result = prune(w, {"a": "x"}, "class-blind", 0.5, previous)
    assert result.masks["a"].tolist() == [[False, False, True, True]]


def test_less_than_what_is_pruned_is_refused():
    w = weights()
    first = prune(w, CLASSES, "class-blind", 0.5).masks
    with pytest.raises(PruneError, match="sparsity 0.4 is below"):
        prune(w, CLASSES, "class-blind", 0.4, first)
    # class y, of larger weights, is pruned less than half; class x more
    with pytest.raises(PruneError, match="x is pruned to already"):
        prune(w, CLASSES, "class-uniform", 0.5, first)


def test_masks_of_other_parameters_are_refused():
    w = weights()
    first = prune(w, CLASSES, "class-blind", 0.5).masks
    with pytest.raises(PruneError, match="^c is pruned by the earlier"):
        prune({n: w[n] for n in "ab"}, CLASSES, "class-blind", 0.6, first)
