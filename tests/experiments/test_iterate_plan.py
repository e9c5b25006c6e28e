"""The rounds that ``fairseq-prune iterate`` plans, without carrying them out."""

import pytest
import torch

from fairseq_prune.checkpoints.prune_file import prune_checkpoint
from fairseq_prune.cli.iterate_plan import plan_of
from fairseq_prune.cli.main import build_parser
from fairseq_prune.pruning import PruneError, prune

#: 54 and 84 weights: 0.7 of them is 37.8 and 58.8.
SHAPES = {"encoder.embed_tokens.weight": (9, 6), "decoder.embed_tokens.weight": (14, 6)}


def planned(source, sparsity, rounds):
    words = f"iterate --from {source} --out o --sparsity {sparsity} --rounds {rounds}".split()
    words += ["--", "fairseq-train"]
    args = build_parser(words).parse_args(words)
    args.command = args.command[1:]
    return plan_of(args).sparsities


def test_the_same_sparsity_again_is_not_refused_for_rounding(tmp_path):
    source = str(tmp_path / "u.pt")
    torch.save({"model": {name: torch.randn(shape) for name, shape in SHAPES.items()}}, source)
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
