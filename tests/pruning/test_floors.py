"""Floors against a brute force that keeps, one by one, what each row and class has to keep."""

import math
from fractions import Fraction

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fairseq_prune.pruning import (
    Floors,
    PruneError,
    check_reachable,
    find_score,
    prune,
    selection,
)

CLASSES = {"a": "x", "b": "x", "c": "y", "v": "y"}
SHAPES = {"a": (30, 20), "b": (7, 11), "c": (40, 2, 5), "v": (9,)}


def weights(seed=0, ties=False):
    generator = torch.Generator().manual_seed(seed)
    found = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    found["c"] *= 0.05
    found["a"][3] *= 0.01
    if ties:
        found = {name: (4 * w).round() / 4 for name, w in found.items()}
    return found


def needed(density, count):
    """As the decimal number says that the user writes."""
    return math.ceil(Fraction(str(density)) * count)


def best_first(entries):
    """Of equal scores the later come first, as the later are kept."""
    return sorted(entries, reverse=True)


def brute_force(w, rankings, sparsity, floors, previous=None):
    """Which weights stay: rows', classes' and rankings' best, taken in that order."""
    entries = {}
    for place, (name, weight) in enumerate(w.items()):
        length = weight[0].numel() if weight.dim() > 1 else None
        for index, value in enumerate(weight.flatten().tolist()):
            if previous is None or bool(previous[name].flatten()[index]):
                row = None if length is None else index // length
                entries[(abs(value), place, index)] = (name, row, CLASSES[name])
    chosen = set()
    for name, weight in w.items():
        if weight.dim() > 1:
            least = needed(floors.of_row, weight[0].numel())
            for row in range(len(weight)):
                own = [e for e, (n, r, _) in entries.items() if (n, r) == (name, row)]
                chosen.update(best_first(own)[:least])
    for weight_class in set(CLASSES.values()):
        size = sum(v.numel() for n, v in w.items() if CLASSES[n] == weight_class)
        own = [e for e, (_, _, c) in entries.items() if c == weight_class]
        missing = needed(floors.of_class, size) - len(chosen.intersection(own))
        rest = [e for e in best_first(own) if e not in chosen]
        chosen.update(rest[: max(0, missing)])
    for names in rankings:
        total = sum(w[n].numel() for n in names)
        own = [e for e, (n, _, _) in entries.items() if n in names]
        missing = total - round(sparsity * total) - len(chosen.intersection(own))
        assert missing >= 0
        rest = [e for e in best_first(own) if e not in chosen]
        chosen.update(rest[:missing])
    masks = {name: torch.zeros(weight.numel(), dtype=torch.bool) for name, weight in w.items()}
    for _, place, index in chosen:
        masks[list(w)[place]][index] = True
    return {name: mask.view(w[name].shape) for name, mask in masks.items()}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("scheme", ["class-blind", "class-uniform"])
@pytest.mark.parametrize("floors", [Floors(0.05, 0), Floors(0, 0.11), Floors(0.13, 0.06)])
@pytest.mark.parametrize("chunk", [7, 1 << 18])
def test_masks_are_those_of_the_brute_force(ties, scheme, floors, chunk, chunk_of):
    chunk_of(chunk)
    rankings = [list(SHAPES)] if scheme == "class-blind" else [["a", "b"], ["c", "v"]]
    w = weights(ties=ties)
    first = prune(w, CLASSES, scheme, 0.5, floors=floors)
    expected = brute_force(w, rankings, 0.5, floors)
    assert all(torch.equal(first.masks[n], expected[n]) for n in w)
    w = {name: value * first.masks[name] for name, value in weights(1, ties).items()}
    second = prune(w, CLASSES, scheme, 0.8, first.masks, floors=floors)
    expected = brute_force(w, rankings, 0.8, floors, first.masks)
    assert all(torch.equal(second.masks[n], expected[n]) for n in w)
    assert second.pruned == sum(round(0.8 * sum(w[n].numel() for n in names)) for names in rankings)


def test_no_row_and_no_class_is_emptied():
    w = weights()
    without = prune(w, CLASSES, "class-blind", 0.9).masks
    assert not without["a"][3].any() and not without["c"].any()
    masks = prune(w, CLASSES, "class-blind", 0.9, floors=Floors(0.02, 0.05)).masks
    assert all(bool(row.any()) for name in "abc" for row in masks[name])
    assert int(masks["c"].sum() + masks["v"].sum()) >= 0.02 * 409


def test_what_is_gone_already_cannot_be_kept():
    """A row that an earlier pruning left less than its floor keeps that."""
    w = weights()
    first = prune(w, CLASSES, "class-blind", 0.5).masks
    first["a"][3] = False
    first["a"][3, 7] = True
    again = prune(w, CLASSES, "class-blind", 0.8, first, floors=Floors(0, 0.2)).masks
    assert again["a"][3].nonzero().tolist() == [[7]]
    assert (again["a"].sum(1) >= 4).sum() == 29


@pytest.mark.parametrize(
    "floors, said",
    [
        (Floors(0.3, 0), "the floors keep 327 of 1,086 weights, 110 more than the sparsity"),
        (Floors(0, 0.21), "lower floor and row_floor, or sparsity to 0.7"),
    ],
)
def test_floors_that_cannot_be_met(floors, said):
    with pytest.raises(PruneError, match=said):
        prune(weights(), CLASSES, "class-blind", 0.8, floors=floors)
    with pytest.raises(PruneError, match=said):
        check_reachable(weights(), CLASSES, "class-blind", 0.8, floors=floors)


def test_the_sparsity_that_is_named_can_be_met():
    floors = Floors(0.1, 0.21)
    with pytest.raises(PruneError) as caught:
        prune(weights(), CLASSES, "class-blind", 0.95, floors=floors)
    most = float(str(caught.value).rsplit(" ", 1)[1])
    prune(weights(), CLASSES, "class-blind", most, floors=floors)
    check_reachable(weights(), CLASSES, "class-blind", most, floors=floors)


def test_floors_that_an_earlier_pruning_went_below():
    """Asked before anything is pruned; what it emptied has nothing left to keep alive."""
    w, classes = weights(), CLASSES
    first = {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in w.items()}
    first["a"].view(-1)[: first["a"].numel() // 2] = False  # and half of its rows with it
    rows, length = w["a"].shape
    check_reachable(w, classes, "class-blind", 0.8, first, Floors(0, 2 / length))
    first["a"][-1, 1:] = False
    check_reachable(w, classes, "class-blind", 0.8, first, Floors(0, 1 / length))
    check_reachable(w, classes, "class-blind", 0.8, first)
    said = f"a has 1 rows of {rows} with as few as 1 of {length} weights left .* lower it to 0.0"
    with pytest.raises(PruneError, match=said):
        check_reachable(w, classes, "class-blind", 0.8, first, Floors(0, 2 / length))
    first["v"][:], first["c"][:, 0] = False, False  # of 409, 200 are left
    check_reachable(w, classes, "class-blind", 0.5, first, Floors(200 / 409, 0))
    said = "y has 200 of 409 weights left .* less than floor asks for"
    with pytest.raises(PruneError, match=said):
        check_reachable(w, classes, "class-blind", 0.5, first, Floors(0.49, 0))


@pytest.mark.parametrize("floors", [Floors(1, 0), Floors(0, -0.1), Floors(float("nan"), 0)])
def test_what_is_no_floor(floors):
    with pytest.raises(PruneError, match="is outside .*; it is the least fraction of weights"):
        floors.check()


def test_a_score_that_knows_the_loss_empties_no_row_unless_told_to():
    """Each keeps a fifth of the density that is left; with --row-floor 0 it would be emptied."""
    w = {"e": torch.randn(50, 20, generator=torch.Generator().manual_seed(3))}
    statistics = {"e": torch.ones(50, 20)}
    statistics["e"][7] = 0.0
    how = {"score": "fisher:damping=0", "statistics": statistics}
    classes = {"e": "source embedding"}
    masks = prune(w, classes, "class-blind", 0.75, **how).masks["e"]
    assert masks[7].sum() == math.ceil(0.2 * 0.25 * 20) and (masks.sum(1) >= 1).all()
    assert int((~masks).sum()) == 750
    without = prune(w, classes, "class-blind", 0.75, floors=Floors(0, 0), **how).masks["e"]
    assert without[7].sum() == 0
    # magnitude and patterns have none of their own
    w["e"][7] *= 1e-3
    assert prune(w, classes, "class-blind", 0.75).masks["e"][7].sum() == 0
    prune(w, classes, "2:4", 0.5, **how)


def test_the_usual_floor_is_never_in_the_way():
    """Short rows at a high sparsity: nothing was asked for that could be lowered."""
    w = {"e": torch.randn(40, 8, generator=torch.Generator().manual_seed(4))}
    how = {"score": "taylor", "statistics": {"e": torch.ones(40, 8)}}
    for sparsity in (0.5, 0.8, 0.9, 0.95, 0.99):
        check_reachable(w, {"e": "x"}, "class-blind", sparsity, score="taylor")
        found = prune(w, {"e": "x"}, "class-blind", sparsity, **how)
        assert found.pruned == round(sparsity * 320)
    with pytest.raises(PruneError, match="the floors keep 40 of 320 weights"):
        prune(w, {"e": "x"}, "class-blind", 0.9, floors=Floors(0, 0.02), **how)


def test_a_scheme_with_a_cut_of_its_own_has_no_floors():
    for ask in (prune, check_reachable):
        with pytest.raises(PruneError, match="floors have no meaning with a scheme that says"):
            ask({"e": torch.ones(4, 8)}, {"e": "x"}, "2:4", 0.5, floors=Floors(0.1, 0))


@pytest.mark.parametrize("floors", [Floors(0.1), Floors(0.0, 0.1), Floors(0.1, 0.1)])
def test_a_scalar_has_no_rows(floors):
    w = {"a": torch.randn(8, 8), "s": torch.tensor(1.0)}
    first = prune(w, {"a": "x", "s": "x"}, "class-blind", 0.5, floors=floors)
    second = prune(w, {"a": "x", "s": "x"}, "class-blind", 0.7, first.masks, floors=floors)
    assert (first.pruned, second.pruned) == (32, 46) and second.masks["s"].shape == ()


@pytest.mark.parametrize("length, floor", [(100, 0.07), (50, 0.14), (200, 0.07), (100, 0.28)])
def test_a_floor_of_what_the_sparsity_leaves_can_be_met(length, floor):
    """0.07 * 100 is 7.000000000000001 in floating point."""
    w = {"w": torch.randn(10, length, generator=torch.Generator().manual_seed(0))}
    for floors in (Floors(0, floor), Floors(floor, 0), Floors(floor, floor)):
        masks = prune(w, {"w": "x"}, "class-blind", round(1 - floor, 2), floors=floors).masks
        assert int(masks["w"].sum()) == round(10 * length * floor)
        assert not floors.of_row or set(masks["w"].sum(1).tolist()) == {round(length * floor)}


@pytest.mark.parametrize("sparsity, length", [(0.9, 10), (0.8, 5), (0.7, 10), (0.95, 20)])
@pytest.mark.parametrize("score", ["fisher", "adam", "taylor"])
def test_usual_floors_of_short_rows(sparsity, length, score):
    """Rows that have one weight each where all are alike have it where they are not, too."""
    generator = torch.Generator().manual_seed(0)
    w = {"w": torch.randn(50, length, generator=generator)}
    rows = torch.rand(50, 1, generator=generator).pow(8)
    statistics = {"w": rows.expand(50, length).contiguous()}
    options = {"score": score, "statistics": statistics}
    masks = prune(w, {"w": "x"}, "class-blind", sparsity, **options).masks
    assert int(masks["w"].sum(1).min()) == 1


@pytest.mark.parametrize("score", ["fisher", "adam", "taylor", "obs", "kron"])
def test_a_fifth_of_the_density_is_usual(score):
    """Of 1,000 weights in a row a tenth is left: 20 of each, at least."""
    w = {"w": torch.randn(10, 1000, generator=torch.Generator().manual_seed(0))}
    gradient = torch.ones(10, 1000)
    gradient[:5] *= 1e-9
    w["w"][:5] *= 1e-3
    made = find_score(score).statistic
    statistics = {"w": gradient}
    if made is not None:
        statistic = made()
        statistic.add({"w": gradient})
        statistics = statistic.mean()
    masks = prune(w, {"w": "x"}, "class-blind", 0.9, score=score, statistics=statistics).masks
    assert set(masks["w"][:5].sum(1).tolist()) == {20}


def test_equal_scores_take_no_more_memory_than_others(chunk_of, monkeypatch):
    """Where most scores are alike, as with a Fisher matrix of zeros, none are kept with their
    places, a 64-bit number each."""

    class Watch(TorchDispatchMode):
        most = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            found = func(*args, **(kwargs or {}))
            for made in found if isinstance(found, (tuple, list)) else [found]:
                if torch.is_tensor(made) and made.dtype == torch.int64:
                    Watch.most = max(Watch.most, made.numel())
            return found

    chunk_of(1 << 14)
    monkeypatch.setattr(selection, "FEW", 1 << 14)
    w = {"w": torch.randn(2048, 128, generator=torch.Generator().manual_seed(0))}
    statistics = {"w": torch.zeros_like(w["w"])}
    statistics["w"][0] = 1.0
    with Watch():
        masks = prune(
            w, {"w": "x"}, "class-blind", 0.9, score="fisher:damping=0", statistics=statistics
        ).masks
    assert Watch.most <= 1 << 16, "a histogram"
    # of equal scores the later are kept: in each row, and of all
    assert int(masks["w"].sum()) == w["w"].numel() - round(0.9 * w["w"].numel())
    assert masks["w"][1:1500].sum(1).eq(3).all() and masks["w"][1:1500, -3:].all()
    assert masks["w"][-100:].all()
