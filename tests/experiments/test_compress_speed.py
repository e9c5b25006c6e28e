"""How long compressing takes: what a log says of it, and what fits into some hours."""

import pytest

pytest.importorskip("sacrebleu")

from fairseq_prune.experiments.compress.measure import read_speed
from fairseq_prune.experiments.compress.speed import BESIDE, Speed


def said(second, words):
    return f"2026-01-31 23:59:{second} | INFO | {words}"


def test_what_a_log_says():
    inner = [said(50, 'train_inner | {"ups": "4", "x": "1"}')] * 16
    lines = [
        said(40, "fairseq_cli.train | loading"),
        *inner,
        said(51, 'fairseq_cli.train | begin validation on "valid" subset'),
        said(58, 'valid | {"valid_loss": "2"}'),
        said(59, "done"),
    ]
    found = read_speed(lines, "valid", whole=30.0)
    assert found.update == 0.25 and found.validation == 7.0
    assert found.start == pytest.approx(30.0 - 16 * 0.25 - 7.0)
    assert read_speed(["it failed"], "valid", 1.0) is None


def test_all_of_it_counts():
    speed = Speed(update=1.0, validation=10.0, start=100.0, trial=1000.0, scoring=10000.0)
    assert speed.epoch(50) == pytest.approx(50 * BESIDE + 10)
    assert speed.whole([1, 2], 50, False) == pytest.approx(3 * (50 * BESIDE + 10) + 200 + 10000)
    assert speed.whole([1, 2], 50, True) - speed.whole([1, 2], 50, False) == pytest.approx(2000)


@pytest.mark.parametrize("tried", [False, True])
@pytest.mark.parametrize("seconds", range(0, 1500, 37))
def test_as_many_epochs_as_fit(seconds, tried):
    speed, updates, rounds = Speed(1.0, 5.0, 60.0, 20.0, 200.0), 10, 3
    found = speed.epochs_in(seconds, rounds, updates, tried)
    used = rounds if tried else min(found, rounds)
    if found:
        split = [found // used] * used
        split[-1] += found - sum(split)
        assert speed.whole(split, updates, tried) <= seconds
    more = found + 1
    split = [1] * (min(more, rounds) - 1) + [more - min(more, rounds) + 1]
    split += [0] * (rounds - len(split) if tried else 0)
    assert speed.whole(split, updates, tried) > seconds
