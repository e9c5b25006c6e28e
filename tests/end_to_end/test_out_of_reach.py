"""What a run cannot reach from where it starts is refused before it reads data."""

import pytest
from commands import RETRAIN, refused, run

GRADUAL = ("--prune-schedule", "gradual", "--prune-end", "4", "--prune-every", "1")


@pytest.mark.parametrize("schedule", [(), GRADUAL])
def test_floors_above_what_is_left_at_the_end(data, dense, tmp_path, schedule):
    said = refused(
        data, tmp_path / "run", *RETRAIN, *schedule, "--prune-floor", "0.9",
        "--finetune-from-model", dense,
    )  # fmt: skip
    assert "lower --prune-floor and --prune-row-floor, or --prune-sparsity to" in said


@pytest.mark.parametrize("schedule", [(), GRADUAL])
@pytest.mark.parametrize(
    "scheme, what", [("class-blind", "the model"), ("class-uniform", "source embedding")]
)
def test_less_than_is_pruned_already(data, dense, tmp_path, schedule, scheme, what):
    """Of the model, or of one of its classes."""
    run("fairseq-prune", "prune", dense, tmp_path / "p.pt", "--sparsity", "0.9")
    sparsity = "0.6" if scheme == "class-blind" else "0.9"
    said = refused(
        data, tmp_path / "run", *RETRAIN, "--prune-scheme", scheme, "--prune-sparsity", sparsity,
        *schedule, "--finetune-from-model", tmp_path / "p.pt",
    )  # fmt: skip
    assert f"--prune-sparsity {sparsity} is below what {what}" in said


@pytest.mark.parametrize("score", ["magnitude", "adam"])
def test_floors_that_an_earlier_pruning_went_below(dense, tmp_path, score):
    """By the verb, of scores that need no data too."""
    run("fairseq-prune", "prune", dense, tmp_path / "p.pt", "--sparsity", "0.6")
    said = run("fairseq-prune", "prune", tmp_path / "p.pt", tmp_path / "q.pt", "--sparsity", "0.8",
               "--score", score, "--row-floor", "0.15", ok=False)  # fmt: skip
    assert "less than --row-floor asks for" in said and "Traceback" not in said
    assert not (tmp_path / "q.pt").exists()


@pytest.mark.parametrize("score", ["adam", "movement"])
def test_scores_by_what_a_new_optimizer_does_not_remember(data, dense, tmp_path, score):
    said = refused(
        data, tmp_path / "run", "--task", "pruned_translation", "--optimizer", "pruned_adam",
        "--prune-scheme", "class-blind", "--prune-sparsity", "0.8", "--prune-score", score,
        "--finetune-from-model", dense,
    )  # fmt: skip
    assert "what the optimizer remembers" in said and "--prune-begin" in said


def test_a_score_by_adams_moments_with_another_optimizer(data, dense, tmp_path):
    said = refused(
        data, tmp_path / "run", *RETRAIN, "--prune-score", "adam", "--finetune-from-model", dense
    )
    assert "which --optimizer pruned_sgd has not; take pruned_adam" in said


@pytest.mark.parametrize("seed", ["-1", "2147483648"])
def test_seeds_that_no_generator_takes(data, dense, tmp_path, seed):
    said = refused(
        data, tmp_path / "run", *RETRAIN, "--prune-score", "fisher", f"--prune-seed={seed}",
        "--finetune-from-model", dense,
    )  # fmt: skip
    assert f"--prune-seed {seed} is out of range" in said
