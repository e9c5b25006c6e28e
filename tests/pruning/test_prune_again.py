"""Pruning what is pruned: masks within masks, counts exact, against a brute-force oracle."""

import pytest
import torch

from fairseq_prune.pruning import SCHEMES, PruneError, check_reachable, prune

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


def halves():
    """Six classes of which 0.3 is no whole number: each rounds up, together they round down."""
    generator = torch.Generator().manual_seed(2)
    w = {f"w{k}": torch.randn(2, 6, generator=generator) for k in range(6)}
    return w, {name: name for name in w}


def test_the_same_sparsity_by_another_scheme_is_not_refused_for_rounding():
    w, classes = halves()
    first = prune(w, classes, "class-uniform", 0.3)
    assert first.pruned == 6 * 4 > round(0.3 * 72)
    check_reachable(w, classes, "class-blind", 0.3, first.masks)
    again = prune(w, classes, "class-blind", 0.3, first.masks)
    assert all(torch.equal(again.masks[n], first.masks[n]) for n in w)
    with pytest.raises(PruneError, match="sparsity 0.2 is below"):
        prune(w, classes, "class-blind", 0.2, first.masks)


def test_what_is_refused_is_told_with_digits_that_differ():
    w = {"a": torch.randn(1000, 1000, generator=torch.Generator().manual_seed(3))}
    first = prune(w, {"a": "x"}, "class-blind", 0.800004).masks
    with pytest.raises(PruneError, match=r"sparsity 0.8 is below .* already \(0.800004\);"):
        prune(w, {"a": "x"}, "class-blind", 0.8, first)


def test_a_class_that_is_further_on_waits_for_the_others_on_the_way():
    w = weights()
    first = prune(w, CLASSES, "class-blind", 0.5).masks
    x, y = (sum(int((~first[n]).sum()) for n in names) for names in ("ab", "c"))
    assert x > round(0.55 * 677) and y < round(0.55 * 400)
    with pytest.raises(PruneError):
        prune(w, CLASSES, "class-uniform", 0.55, first)
    second = prune(w, CLASSES, "class-uniform", 0.55, first, on_the_way=True).masks
    assert all(torch.equal(second[n], first[n]) for n in "ab")
    assert int((~second["c"]).sum()) == round(0.55 * 400)
    with pytest.raises(PruneError, match="x is pruned to already"):
        check_reachable(w, CLASSES, "class-uniform", 0.55, first)
    check_reachable(w, CLASSES, "class-uniform", 0.8, first)
