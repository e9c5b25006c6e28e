"""Schedules against their published equations, written out plainly."""

import pytest

from fairseq_prune.pruning import PruneError, check_schedule, due, make_schedule, round_sparsities


def test_one_shot():
    assert make_schedule("one-shot", 0.8, {"begin": 7}) == ((7, 0.8),)
    assert make_schedule("one-shot", 0.8, {}) == ((0, 0.8),)


def test_geometric_rounds_prune_the_same_fraction_of_what_is_left():
    # Renda et al. 2020: 20% of what is left each round; 7 rounds leave 0.8^7 = 20.97%
    rounds = round_sparsities(1 - 0.8**7, 7)
    left = 1.0
    for sparsity in rounds:
        left *= 0.8
        assert sparsity == pytest.approx(1 - left)


def test_even_rounds_prune_as_many_each_time():
    assert round_sparsities(0.9, 3, "even") == pytest.approx((0.3, 0.6, 0.9))
    assert round_sparsities(0.9, 2, "even", initial=0.5) == pytest.approx((0.7, 0.9))


@pytest.mark.parametrize("spacing", ["even", "geometric"])
@pytest.mark.parametrize("target", [0.8, 0.9, 0.95])
def test_the_last_round_is_the_target_exactly(spacing, target):
    assert round_sparsities(target, 7, spacing)[-1] == target


def test_geometric_rounds_from_a_pruned_model():
    assert round_sparsities(0.95, 2, initial=0.8) == pytest.approx((0.9, 0.95))


def test_iterative_prunes_every_so_many_updates():
    given = {"rounds": 2, "every": 100, "begin": 10}
    steps = make_schedule("iterative", 0.75, given)
    assert [s.update for s in steps] == [10, 110]
    assert [s.sparsity for s in steps] == pytest.approx([0.5, 0.75])


def test_gradual_is_zhu_and_guptas_equation_1():
    s_i, s_f, t_0, n, dt = 0.1, 0.9, 40, 8, 25
    steps = make_schedule(
        "gradual", s_f, {"begin": t_0, "end": t_0 + n * dt, "every": dt}, initial=s_i
    )
    assert [s.update for s in steps] == [t_0 + k * dt for k in range(n + 1)]
    for t, sparsity in steps:
        assert sparsity == pytest.approx(s_f + (s_i - s_f) * (1 - (t - t_0) / (n * dt)) ** 3)
    assert steps[-1].sparsity == s_f


def test_gradual_begins_with_the_sparsity_that_there_is():
    """Its first step prunes nothing then, whatever s_f + (s_i - s_f) rounds to."""
    initials = [k / 5931 for k in range(0, 4000, 7)] + [0.2, 0.3]
    for initial in initials:
        for target in (0.8, 0.9, 0.95):
            steps = make_schedule("gradual", target, {"begin": 3, "end": 9, "every": 2}, initial)
            assert steps[0] == (3, initial) and due(steps, 3) == initial < due(steps, 5)


@pytest.mark.parametrize("spacing", ["even", "geometric"])
def test_rounds_where_nothing_is_left(spacing):
    """Half of one weight is none, so that a model of one may be pruned whole before."""
    assert round_sparsities(0.5, 2, spacing, 1.0)[-1] == 0.5


def test_gradual_ends_at_its_end_although_no_multiple_of_every():
    steps = make_schedule("gradual", 0.9, {"begin": 0, "end": 25, "every": 10})
    assert [s.update for s in steps] == [0, 10, 20, 25] and steps[-1].sparsity == 0.9


def test_due_is_the_last_step_taken():
    steps = make_schedule("iterative", 0.75, {"rounds": 2, "every": 10, "begin": 5})
    found = [due(steps, update) for update in (0, 4, 5, 14, 15, 1000)]
    assert found[:2] == [None, None]
    assert found[2:] == pytest.approx([0.5, 0.5, 0.75, 0.75])


@pytest.mark.parametrize(
    "name, given, said",
    [
        ("cyclic", {}, "schedule cyclic"),
        ("iterative", {"every": 3}, "needs rounds"),
        ("iterative", {"rounds": 3}, "needs every"),
        ("gradual", {"every": 3}, "needs end"),
        ("gradual", {"every": 0, "end": 3}, "every 0"),
        ("gradual", {"every": 2, "end": 3, "begin": 3}, "end 3"),
        ("one-shot", {"rounds": 3}, "rounds has no meaning"),
        ("gradual", {"every": 1, "end": 3, "spacing": "even"}, "spacing has no meaning"),
        ("iterative", {"rounds": 2, "every": 1, "spacing": "odd"}, "spacing odd"),
        ("one-shot", {"begin": -1}, "begin -1"),
    ],
)
def test_options_that_make_no_schedule(name, given, said):
    with pytest.raises(PruneError, match=said):
        check_schedule(name, given)
