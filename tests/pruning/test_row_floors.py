"""Floors of any kind together, against their definition; and how often scores are made."""

import math
import random
from fractions import Fraction

import pytest
import torch

from fairseq_prune.pruning import Floors, Inputs, PruneError, find_score, magnitude, select_lowest
from fairseq_prune.pruning.above_floors import select_above_floors


def needed(density, count):
    """As the decimal number says that the user writes."""
    return math.ceil(Fraction(str(density)) * count)


def by_definition(w, k, previous, classes, floors):
    """Masks and threshold: sort all, take rows' and classes' best out, cut after the k-th."""
    left = [
        (abs(value), place, index, name, index // max(1, w[name][0].numel()))
        for place, name in enumerate(w)
        for index, value in enumerate(w[name].flatten().tolist())
        if previous is None or bool(previous[name].flatten()[index])
    ]
    left.sort(reverse=True)
    kept = set()
    for name, weight in w.items():
        least = needed(floors.of_row, weight[0].numel()) if weight.dim() > 1 else 0
        for row in range(len(weight)):
            kept.update([e for e in left if e[3:] == (name, row)][:least])
    for c in set(classes.values()):
        size = sum(w[name].numel() for name in w if classes[name] == c)
        missing = needed(floors.of_class, size) - sum(classes[e[3]] == c for e in kept)
        rest = [e for e in left if classes[e[3]] == c and e not in kept]
        kept.update(rest[: max(0, missing)])
    open_to_pruning = [e for e in left if e not in kept]
    if k > len(open_to_pruning):
        return None
    pruned = open_to_pruning[::-1][:k]
    masks = {name: torch.zeros(weight.shape, dtype=torch.bool) for name, weight in w.items()}
    for entry in set(left) - set(pruned):
        masks[entry[3]].view(-1)[entry[2]] = True
    return {name: mask.tolist() for name, mask in masks.items()}, max(
        [0.0, *(e[0] for e in pruned)]
    )


def found(w, k, previous, classes, floors):
    scorers = magnitude(Inputs(w, classes))
    try:
        masks, threshold = select_above_floors(w, scorers, k, previous, classes, floors)
    except PruneError as error:
        assert "the floors keep" in str(error)
        return None
    return {name: mask.tolist() for name, mask in masks.items()}, threshold


def agree(w, x, previous, labels, floors):
    classes = {name: f"class {label}" for name, label in zip(w, labels)}
    total = sum(v.numel() if previous is None else int(previous[n].sum()) for n, v in w.items())
    given = (w, round(x * total), previous, classes, floors)
    assert found(*given) == by_definition(*given)


def some_weights(seed):
    """Rows of different sizes, with or without ties, float32 and others; masks or none."""
    chosen, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    w, previous = {}, {}
    for place in range(chosen.randint(1, 4)):
        rows, length = chosen.randint(1, 9), chosen.randint(1, 30)
        shape = chosen.choice([(rows,), (rows, length), (rows, 2, length)])
        sizes = torch.rand(rows, *[1] * (len(shape) - 1), generator=generator)
        weight = torch.randn(shape, generator=generator) * sizes ** chosen.choice([0, 1, 3])
        if chosen.random() < 0.5:  # few values, 0.0 and -0.0 previous them
            weight = (3 * weight).round() / 4
        kind = chosen.choice([torch.float32, torch.float32, torch.float64, torch.float16])
        w[f"w{place}"] = weight.to(kind)
        kept = chosen.choice([0.0, 0.5, 0.9, 1.0])
        previous[f"w{place}"] = torch.rand(shape, generator=generator) < kept
    floors = Floors(chosen.choice([0, 0, 0.1, 0.3]), chosen.choice([0, 0.04, 0.1, 0.3]))
    previous = chosen.choice([None, previous])
    return w, chosen.random(), previous, [chosen.randint(0, 2) for _ in w], floors


@pytest.mark.parametrize("chunk", [5, 1 << 18])
def test_any_weights_and_floors(chunk, chunk_of):
    chunk_of(chunk)
    for seed in range(120):
        agree(*some_weights(seed))


def test_whatever_hypothesis_thinks_of():
    hypothesis = pytest.importorskip("hypothesis")
    st = hypothesis.strategies
    value = st.sampled_from([0.0, -0.0, 1e-45, 0.25, -0.25, 0.5, 2.0])
    matrix = st.integers(1, 6).flatmap(
        lambda length: st.lists(
            st.lists(value, min_size=length, max_size=length), min_size=1, max_size=5
        )
    )
    fraction = st.floats(0, 1, exclude_max=True)

    @hypothesis.settings(derandomize=True, deadline=None, database=None, max_examples=200)
    @hypothesis.given(
        st.lists(matrix, min_size=1, max_size=3),
        st.lists(st.booleans(), min_size=90, max_size=90),
        st.booleans(),
        st.lists(st.integers(0, 1), min_size=3, max_size=3),
        st.booleans(),
        fraction,
        st.tuples(fraction, fraction),
    )
    def check(values, allowed, masked, labels, wide, x, floors):
        kind = torch.float64 if wide else torch.float32
        w = {f"w{place}": torch.tensor(rows, dtype=kind) for place, rows in enumerate(values)}
        previous = {n: torch.tensor(allowed[: v.numel()]).view(v.shape) for n, v in w.items()}
        agree(w, x, previous if masked else None, labels, Floors(*floors))

    check()


def counted(scorers):
    """The scorers, and a list of the positions that they were asked for."""
    asked = []

    def count(scorer):
        return lambda piece, position: (asked.append(position), scorer(piece, position))[1]

    return {name: count(scorer) for name, scorer in scorers.items()}, asked


@pytest.mark.parametrize("small", [0, 150])
def test_scores_are_made_twice_however_many_rows_are_below_their_floor(small):
    """What lets 216 million weights be pruned above a floor of rows in about the time without."""
    w = {"e": torch.randn(300, 50, generator=torch.Generator().manual_seed(0))}
    w["e"][:small] *= torch.logspace(-3, 0, max(1, small))[:small].unsqueeze(1)
    scorers, asked = counted(magnitude(Inputs(w, {})))
    masks, _ = select_above_floors(w, scorers, 12000, None, {"e": "x"}, Floors(0, 0.02))
    assert len(asked) == 2 and int(masks["e"].sum()) == 3000
    without, _ = select_lowest(w, scorers, 12000)
    assert torch.equal(masks["e"], without["e"]) == (small == 0)


def test_rows_that_can_spare_little():
    """Nearly all that lies above the threshold is in rows that keep it."""
    w = {"e": torch.arange(1.0, 401).view(20, 20)}
    w["e"][0] = 1e-3
    agree(w, 0.8, None, [0], Floors(0, 0.2))
    agree(w, 0.79, None, [0], Floors(0, 0.2))


@pytest.mark.parametrize("score", ["fisher:exponent=0.3", "magnitude"])
@pytest.mark.parametrize("shape", [(300, 50), (3, 7, 11), (40,), (2, 400)])
def test_each_score_is_found_in_one_piece(score, shape, chunk_of):
    """The last digit of a power depends on its place in what is done at a time; counts would not
    be those of the scores that are chosen from."""
    chunk_of(64)
    w = {"e": torch.randn(shape, generator=torch.Generator().manual_seed(0))}
    asked = {}

    def recorded(scorer):
        def record(piece, position):
            asked.setdefault(position, set()).add(piece.numel())
            return scorer(piece, position)

        return record

    inputs = Inputs(w, {"e": "x"}, {}, {"e": w["e"].square()})
    scorers = {"e": recorded(find_score(score).scorers(inputs)["e"])}
    for floors in (Floors(0, 0.02), Floors(0, 0.1), Floors(0.1, 0)):
        select_above_floors(w, scorers, w["e"].numel() // 2, None, {"e": "x"}, floors)
    assert all(len(lengths) == 1 for lengths in asked.values())
    assert sum(length for (length,) in asked.values()) == w["e"].numel()
