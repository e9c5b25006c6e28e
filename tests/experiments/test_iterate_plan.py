"""The rounds that ``fairseq-prune iterate`` plans, without carrying them out."""

import pytest
import torch

from fairseq_prune.checkpoints.prune_file import prune_checkpoint
from fairseq_prune.cli.iterate_plan import plan_of
from fairseq_prune.cli.main import build_parser
from fairseq_prune.pruning import PruneError, prune

#: 54 and 84 weights: 0.7 of them is 37.8 and 58.8.
SHAPES = {"encoder.embed_tokens.weight": (9, 6), "decoder.embed_tokens.weight": (14, 6)}


def planned(source, sparsity, rounds, options="", command="fairseq-train"):
    words = f"iterate --from {source} --out o --sparsity {sparsity} --rounds {rounds}".split()
    words += [*options.split(), "--", *command.split()]
    args = build_parser(words).parse_args(words)
    args.command = args.command[1:]
    return plan_of(args).sparsities


@pytest.fixture
def source(tmp_path):
    path = str(tmp_path / "u.pt")
    torch.manual_seed(1)
    torch.save({"model": {name: torch.randn(shape) for name, shape in SHAPES.items()}}, path)
    return path


def test_the_same_sparsity_again_is_not_refused_for_rounding(source):
    found = prune_checkpoint(
        source,
        source,
        lambda weights, classes, before: prune(weights, classes, "class-uniform", 0.7),
        0.7,
    )
    assert found.sparsity > 0.7
    assert planned(source, 0.7, 2) == (0.7, 0.7)
    low, high = planned(source, 0.9, 2)
    assert found.sparsity < low < high == 0.9
    with pytest.raises(PruneError, match=f"^sparsity 0.65 is below what {source} is pruned to"):
        planned(source, 0.65, 1)


@pytest.mark.parametrize("floor, option", [(0.15, "--floor"), (0.15, "--row-floor")])
def test_floors_that_the_last_round_cannot_keep_are_refused_before_the_first(source, floor, option):
    assert planned(source, 0.8, 2, f"{option} {floor}")
    with pytest.raises(PruneError, match="^the floors keep .* of 138 weights"):
        planned(source, 0.9, 2, f"{option} {floor}")


def test_a_round_that_cannot_be_had_of_a_mask_by_another_scheme(source):
    def skewed(weights, classes, before):
        small = {name: w * (0.01 if "decoder" in name else 1) for name, w in weights.items()}
        return prune(small, classes, "class-blind", 0.6)

    assert prune_checkpoint(source, source, skewed, 0.6).classes
    assert planned(source, 0.7, 2) and planned(source, 0.99, 1, "--scheme class-uniform")
    # nearly all of one class is gone, and round 1 would leave more of each
    with pytest.raises(PruneError, match="^round 1 of 2: sparsity .* what target emb.* rounds$"):
        planned(source, 0.99, 2, "--scheme class-uniform --spacing even")
    with pytest.raises(
        PruneError, match="^sparsity 0.7 is below what target embedding.* is pruned"
    ):
        planned(source, 0.7, 2, "--scheme class-uniform")


@pytest.mark.parametrize("score", ["adam", "movement"])
def test_scores_by_what_an_optimizer_remembers(source, score):
    """Each round begins with a new one."""
    with pytest.raises(PruneError, match=f"--score {score} ranks by what an optimizer remembers"):
        planned(source, 0.7, 2, f"--score {score}")
    assert planned(source, 0.7, 2, f"--score {score}", "fairseq-train --prune-begin 3")
    assert planned(source, 0.7, 2, f"--score {score} --rewind weights --rewind-to {source}")


def test_a_subset_that_the_training_has_not_is_refused_before_the_first_round(source, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name in ("train.en-de.en.bin", "dev.en-de.en.bin"):
        (data / name).touch()
    asked = "--score fisher --subset"
    for command in (f"fairseq-train {data} --user-dir {tmp_path}", f"fairseq-train {data}:{data}"):
        assert planned(source, 0.8, 2, f"{asked} dev", command)
        with pytest.raises(PruneError, match=f"^--subset de is not there .*: {data} has no such"):
            planned(source, 0.8, 2, f"{asked} de", command)
    # other kinds of data have names of their own
    assert planned(source, 0.8, 2, f"{asked} de", f"fairseq-train {tmp_path}")
