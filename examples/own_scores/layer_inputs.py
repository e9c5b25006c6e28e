"""Scores by what goes into each layer: ``wanda`` and ``layerwise`` (SparseGPT's objective).

They are behind ``kron``, which knows the loss (docs/scores.md), at its cost, so that they are no
part of the package; and they are an example of a statistic that sees the model at work.
"""

from typing import Dict

import torch
from torch import Tensor

import fairseq_prune  # noqa: F401, what training needs of it
from fairseq_prune.pruning import SCORES, Inputs, Score, Statistic
from fairseq_prune.pruning.kron import compensate, kron
from fairseq_prune.pruning.score import Scorer, times

from .watch import Watch


class Products(Statistic):
    """The second moments of each layer's input: x^T x over positions, [columns, columns].

    The input of an embedding is a word, 1 in its place: for a row nothing but how often it came.
    """

    def watching(self, weights):
        self._watch = Watch(weights)
        return self._watch

    def zeros(self, weight: Tensor) -> Tensor:
        return torch.zeros(weight.shape[1], weight.shape[1], device=weight.device)

    def take(self, name: str, gradient: Tensor) -> None:
        if name in self._watch.products:
            total = self.sums.setdefault(name, torch.zeros(()))
            self.sums[name] = total + self._watch.products.pop(name)


def wanda(inputs: Inputs) -> Dict[str, Scorer]:
    """|w_ij| ||x_j||, x_j the j-th input over positions (Sun et al. 2023, arXiv 2306.11695,
    equation 1). To be compared within rows, ``--prune-row-floor``, or classes."""
    scorers = {}
    for name, weight in inputs.weights.items():
        norms = torch.diagonal(inputs.statistics[name]).sqrt()
        scorers[name] = times(norms.expand(weight.shape).reshape(-1))
    return scorers


def layerwise(inputs: Inputs, exponent: float = 0.5, damping: float = 0.01) -> Dict[str, Scorer]:
    """|w| / [(x^T x + damping)^-1]_ii^exponent: what a layer's output changes at least without w
    (Frantar and Alistarh 2023, "SparseGPT", arXiv 2301.00774, equation 4), rows solved exactly."""
    return kron(_of_one_output(inputs), exponent, damping)


def make_up(inputs: Inputs, exponent: float = 0.5, damping: float = 0.01) -> Dict[str, Tensor]:
    """The survivors of each row, set to where the layer's output changes least."""
    return compensate(_of_one_output(inputs), exponent, damping)


def _of_one_output(inputs: Inputs) -> Inputs:
    """As ``kron`` has its statistics, but every row of a layer alike: the loss is not known."""
    statistics = {}
    for name, weight in inputs.weights.items():
        products = inputs.statistics[name]
        mean = torch.diagonal(products).sum()
        statistics[name] = torch.cat([products.reshape(-1), mean.expand(len(weight))])
    return inputs._replace(statistics=statistics)


SCORES["wanda"] = Score(wanda, Products)
SCORES["layerwise"] = Score(layerwise, Products, update=make_up)
