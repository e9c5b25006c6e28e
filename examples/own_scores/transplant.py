"""Which matters: how many weights each class keeps, or which? Two scores that tell them apart.

``--prune-score counts-of-fisher`` prunes as many weights of each
class as ``fisher`` does at the same sparsity, class-blind and without floors, but those with the
lowest magnitudes;
``counts-of-magnitude`` as many as magnitude does, but those that ``fisher`` misses least.
docs/scores.md has what came of it.
"""

from typing import Callable, Dict, List

import torch
from torch import Tensor

import fairseq_prune  # noqa: F401, what training needs of it
from fairseq_prune.pruning import SCORES, Inputs, Score, scores_of
from fairseq_prune.pruning.score import Scorer, given

Scorers = Callable[[Inputs], Dict[str, Scorer]]


def transplanted(counts: Scorers, order: Scorers) -> Scorers:
    """In each class, the weight that is the r-th by ``order`` gets the r-th lowest of ``counts``.

    Whatever the threshold, as many of a class lie below it as do by ``counts``.
    """

    def scorers(inputs: Inputs) -> Dict[str, Scorer]:
        found: Dict[str, Scorer] = {}
        numbers, ranks = counts(inputs), order(inputs)
        for names in inputs.by_class().values():
            values = _of_class(numbers, inputs, names).sort().values
            places = _of_class(ranks, inputs, names).argsort(stable=True)
            swapped = torch.empty_like(values)
            swapped[places] = values
            sizes = [inputs.weights[name].numel() for name in names]
            found.update(zip(names, map(given, swapped.split(sizes))))
        return {name: found[name] for name in inputs.weights}

    return scorers


def _of_class(scorers: Dict[str, Scorer], inputs: Inputs, names: List[str]) -> Tensor:
    """The scores of all weights of a class, one after the other; what is pruned has 0."""
    flat = []
    for name in names:
        weight = inputs.weights[name]
        scores = scores_of(scorers[name], weight)
        if name in inputs.masks:
            scores = scores * inputs.masks[name]
        flat.append(scores.reshape(-1))
    return torch.cat(flat)


FISHER, MAGNITUDE = SCORES["fisher"], SCORES["magnitude"]
SCORES["counts-of-fisher"] = Score(
    transplanted(FISHER.scorers, MAGNITUDE.scorers), FISHER.statistic
)
SCORES["counts-of-magnitude"] = Score(
    transplanted(MAGNITUDE.scorers, FISHER.scorers), FISHER.statistic
)
