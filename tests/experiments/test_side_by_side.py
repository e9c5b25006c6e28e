"""Tasks done side by side: in order, as many as may be, and what waits for what."""

import threading

import pytest

from fairseq_prune.experiments.side_by_side import do_side_by_side
from fairseq_prune.pruning import PruneError


def fail_to_stop():
    raise AssertionError("nothing was to be stopped")


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_all_are_done_no_more_than_so_many_at_a_time(jobs):
    """With several, they meet: each waits for as many others as may run beside it."""
    done, together = [], threading.Barrier(jobs)
    count = 3 * jobs

    def do(task):
        together.wait(60)
        done.append(task)

    told = []
    assert do_side_by_side(range(count), jobs, do, fail_to_stop, told.append, told.append) == []
    assert sorted(done) == sorted(told) == list(range(count))
    assert jobs > 1 or done == list(range(count))


def test_what_fails_is_said_and_what_waits_for_it_is_left_out():
    done = set()

    def do(task):
        if task == "b":
            raise PruneError("no b")

    said = []
    failed = do_side_by_side(
        ["d", "a", "b", "c"], 2, do, fail_to_stop, said.append, done.add,
        is_ready=lambda task: {"c": "b", "d": "a"}.get(task) in (None, *done),
    )  # fmt: skip
    assert failed == ["no b"] and said == ["failed: no b"] and done == {"a", "d"}


def test_an_interruption_stops_what_is_being_done():
    stopped = threading.Event()

    def do(task):
        if task == 1:
            raise KeyboardInterrupt
        assert stopped.wait(60)

    with pytest.raises(KeyboardInterrupt):
        do_side_by_side([0, 1], 2, do, stopped.set, print)
    assert stopped.is_set()
