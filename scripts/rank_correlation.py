"""How far the size of a weight tells already what fisher knows of the loss.

    python scripts/rank_correlation.py CKPT DATA

Prints Spearman's rank correlation between the magnitude of a weight and the diagonal of the
empirical Fisher matrix, over all weights and within each weight class.
"""

import argparse

import torch
from torch import Tensor

from fairseq_prune.cli.mistakes import mistakes_in_a_sentence
from fairseq_prune.cli.quiet import quiet_imports, quiet_libraries

with quiet_imports():
    from fairseq_prune.loading.evaluation import criterion_of, load_model
    from fairseq_prune.parameters.ties import aliases_of
    from fairseq_prune.parameters.weight_classes import fairseq_classes, fairseq_prunable
    from fairseq_prune.pruning import find_score, members
    from fairseq_prune.pruning.choice import Calibration
    from fairseq_prune.tasks.calibration import calibrate


def ranks(values: Tensor) -> Tensor:
    found = torch.empty(values.numel(), dtype=torch.float64)
    found[values.argsort()] = torch.arange(values.numel(), dtype=torch.float64)
    return found


def correlation(one: Tensor, other: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([ranks(one), ranks(other)]))[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", metavar="CKPT")
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--samples", type=int, default=1024, help="sentences (default: 1024)")
    args = parser.parse_args()
    quiet_libraries()
    model, task = load_model(args.checkpoint, args.data, [])
    named, aliases = dict(model.named_parameters()), aliases_of(model)
    weights = fairseq_prunable(named, aliases=aliases)
    fisher = calibrate(
        task, task.train_step, model, criterion_of(args.checkpoint, task),
        find_score("fisher").statistic(), list(weights), Calibration(samples=args.samples),
    )  # fmt: skip
    classes = members(fairseq_classes(weights, aliases))
    for what, names in {"all weights": list(weights), **classes}.items():
        sizes = torch.cat([weights[name].detach().abs().flatten() for name in names])
        diagonal = torch.cat([fisher[name].flatten() for name in names])
        print(f"{what:20} {correlation(sizes, diagonal):6.3f}", flush=True)


if __name__ == "__main__":
    with mistakes_in_a_sentence("rank_correlation", OSError):
        main()
