"""Rounds that diverge are made again with half the learning rate, also after an interruption."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from fairseq_prune.experiments.compress import rounds
from fairseq_prune.experiments.compress.asked import Asked
from fairseq_prune.experiments.compress.diverged import at_rate, diverged, set_aside
from fairseq_prune.experiments.compress.goal import Goal
from fairseq_prune.pruning import PruneError

COMMAND = ["fairseq-train", "data", "--lr", "0.008", "--end-learning-rate", "8e-05", "--clip", "1"]


class Training:
    """Ends with losses by its learning rate, or fails; what it made stays in its folder."""

    outcome: dict = {}
    made: list = []

    def __init__(self, folder, command, name, subset, more):
        self.folder, self.command, self._path = folder, command, Path(folder, "losses")

    def found(self):
        return {"command": self.command}

    def has_checkpoints(self):
        return False

    def history(self):
        losses = json.loads(self._path.read_text()) if self._path.exists() else []
        return [{"loss": loss} for loss in losses]

    def run(self, say, lock):
        if self._path.exists():
            return
        rate = float(self.command[3])
        self.made.append(rate)
        outcome = self.outcome[rate]
        Path(self.folder).mkdir(parents=True)
        Path(self.folder, "checkpoint_best.pt").touch()
        if isinstance(outcome, str):
            raise PruneError(outcome)
        self._path.write_text(json.dumps(outcome))


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Trains round 1 with outcomes by learning rate: the rates tried, and what was said."""

    def train(outcome, *options):
        said = []
        monkeypatch.setattr(rounds, "Training", Training)
        monkeypatch.setattr(Training, "outcome", outcome)
        monkeypatch.setattr(Training, "made", [])
        asked = Asked("c", "d", "o", Goal(0.9), "rounds", options=options)
        plan = SimpleNamespace(valid="valid", asked=asked)
        trainer = rounds.Trainer(plan, [4], lambda: 3.0, said.append, 0, [])
        trainer.train("round 1", str(tmp_path / "round1"), COMMAND)
        return Training.made, said

    return train


FLAT, FINE = [9.0, 9.5, 9.0], [4.0, 3.5, 3.2]


def test_one_that_learns_is_left_alone(trained, tmp_path):
    assert trained({0.008: FINE}) == ([0.008], [])
    assert [path.name for path in tmp_path.iterdir()] == ["round1"]


@pytest.mark.parametrize("losses", [[5.5, 5.2], [9.0], [3.9, 3.95], [], [9.5, 8.9]])
def test_one_that_is_only_bad_is_left_alone(trained, losses):
    """It becomes better, has had no time to, or is near the dense model."""
    assert trained({0.008: losses}) == ([0.008], [])


def test_half_of_the_rate_until_it_learns(trained, tmp_path):
    made, said = trained({0.008: FLAT, 0.004: [5.0, 12.0], 0.002: FINE})
    assert made == [0.008, 0.004, 0.002]
    assert "round 1: diverged (9.00 bits a token, where the dense model has 3.00)" in said[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "round1", "round1.diverged1", "round1.diverged2"
    ]  # fmt: skip
    assert not (tmp_path / "round1.diverged1" / "checkpoint_best.pt").exists()
    assert (tmp_path / "round1" / "checkpoint_best.pt").exists()
    # again, as the same command does: nothing is made anew
    assert trained({}) == ([], [])


def test_killed_between_two_rates(trained, tmp_path):
    assert trained({0.008: FLAT, 0.004: FINE})[0] == [0.008, 0.004]
    (tmp_path / "round1").rename(tmp_path / "gone")
    assert trained({0.004: FINE})[0] == [0.004]


def test_gradients_that_are_no_numbers(trained):
    error = "round 1: the training failed (exit status 1): FloatingPointError: gradients are Nan"
    made, said = trained({0.008: error, 0.004: FINE})
    assert made == [0.008, 0.004] and "no numbers any more" in said[0]


def test_other_failures_are_failures(trained):
    with pytest.raises(PruneError, match="no room"):
        trained({0.008: "round 1: the training failed: no room"})


def test_not_for_ever(trained):
    made, _ = trained({0.008 / 2**k: FLAT for k in range(4)})
    assert made == [0.008, 0.004, 0.002, 0.001]


def test_a_rate_that_was_asked_for_stays(trained):
    assert trained({0.008: FLAT}, "--lr", "0.008") == ([0.008], [])


def test_rates_of_a_command():
    assert at_rate(COMMAND, 0.25) == [
        "fairseq-train", "data", "--lr", "0.002", "--end-learning-rate", "2e-05", "--clip", "1"
    ]  # fmt: skip
    assert COMMAND[3] == "0.008"


@pytest.mark.parametrize("losses, is_so", [
    ([9.0, 9.1], True), ([9.0], False), ([9.0, 4.0], False), ([80.0, 9.2], True),
])  # fmt: skip
def test_what_diverges(losses, is_so):
    """Of a dense model with 3 bits a token: without learning, or worse than thrice that."""
    assert diverged(losses, 3.0) == is_so


def test_folders_set_aside_have_numbers(tmp_path):
    for _ in range(2):
        (tmp_path / "r[1]").mkdir()
        set_aside(str(tmp_path / "r[1]"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r[1].diverged1", "r[1].diverged2"]
