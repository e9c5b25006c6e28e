"""The true Fisher matrix against the empirical one: what each leaves of a model, not retrained.

    python scripts/true_fisher.py CKPT DATA --sparsities 0.8 0.9 --scores fisher kron

The empirical Fisher matrix, which the scores use, takes the gradients of what the data says; the
true one those of what the model itself would say: target words drawn from its distribution.
Kunstner et al. 2019 (arXiv 1905.12558) warn that they differ. Prints the perplexity of each over
that of the dense model, on --subset.
"""

import argparse

import torch
from torch import nn

from fairseq_prune.cli.mistakes import mistakes_in_a_sentence
from fairseq_prune.cli.quiet import quiet_imports, quiet_libraries

with quiet_imports():
    from fairseq_prune.analysis.language_model import perplexity
    from fairseq_prune.loading.evaluation import batches_of, criterion_of, load_model
    from fairseq_prune.parameters.ties import aliases_of
    from fairseq_prune.parameters.weight_classes import fairseq_prunable
    from fairseq_prune.pruning.choice import Calibration, Choice
    from fairseq_prune.tasks.prune_model import prune_model


class OfTheModel(nn.Module):
    """A loss with the model's own words in the place of the data's, the input as it is."""

    def __init__(self, criterion: nn.Module, padding: int):
        super().__init__()
        self._criterion, self._padding = criterion, padding

    def forward(self, model, sample, reduce=True):
        with torch.no_grad():
            probs = model.get_normalized_probs(model(**sample["net_input"]), log_probs=False)
            drawn = torch.multinomial(probs.flatten(0, -2).float(), 1).view(probs.shape[:-1])
        target = torch.where(sample["target"] == self._padding, sample["target"], drawn)
        return self._criterion(model, {**sample, "target": target}, reduce=reduce)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", metavar="CKPT")
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--sparsities", type=float, nargs="+", default=[0.8, 0.9])
    parser.add_argument("--scores", nargs="+", default=["fisher", "kron"])
    parser.add_argument("--scheme", default="class-blind")
    parser.add_argument("--samples", type=int, help="sentences (default: as many as usual)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="of the samples")
    parser.add_argument("--subset", default="valid", help="for perplexity (default: %(default)s)")
    args = parser.parse_args()
    quiet_libraries()
    model, task = load_model(args.checkpoint, args.data, [args.subset])
    named = {name: weight.data for name, weight in model.named_parameters()}
    weights = fairseq_prunable(named, aliases=aliases_of(model))
    saved = {name: weight.clone() for name, weight in weights.items()}
    batches = batches_of(model, task, args.subset)
    dense = perplexity(model, batches)
    print(f"dense: {dense:.2f}")
    empirical = criterion_of(args.checkpoint, task)
    true = OfTheModel(empirical, task.target_dictionary.pad())
    for score in args.scores:
        for sparsity in args.sparsities:
            for name, criterion in (("empirical", empirical), ("true", true)):
                ratios = []
                for seed in args.seeds:
                    choice = Choice(
                        args.scheme, score, calibration=Calibration("train", args.samples, seed)
                    )
                    prune_model(model, task, criterion, weights, choice, sparsity)
                    ratios.append(f"{perplexity(model, batches) / dense:.2f}")
                    for weight_name, weight in saved.items():
                        weights[weight_name].copy_(weight)
                print(f"{score} {sparsity:g}, {name}: {' '.join(ratios)}", flush=True)


if __name__ == "__main__":
    with mistakes_in_a_sentence("true_fisher", OSError):
        main()
