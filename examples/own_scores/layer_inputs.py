"""Scores by what goes into each layer: ``wanda`` and ``layerwise`` (SparseGPT's objective).

They are behind ``kron``, which knows the loss (docs/scores.md), so that they are no part of the
package; and they are an example of a statistic that sees the model at work.
"""

from typing import Dict, Mapping, NamedTuple

import torch
from torch import Tensor

import fairseq_prune  # noqa: F401, what training needs of it
from fairseq_prune.pruning import SCORES, Inputs, Score, Statistic
from fairseq_prune.pruning.fisher import ROW_SHARE
from fairseq_prune.pruning.fisher_rows import FisherRows
from fairseq_prune.pruning.score import Scorer, times

from .watch import Watch


class Moments(NamedTuple):
    """H of each row: what its output changes by if its weights change by d is d H d^T.

    Of a linear map x^T x, for all rows alike; of an embedding, whose input is 1 in the place of a
    word, how often that came, on the diagonal.
    """

    products: Tensor  # [columns, columns]
    counts: Tensor  # [rows]

    @classmethod
    def of(cls, weight: Tensor, flat: Tensor) -> "Moments":
        """From one of ``LayerInputs``."""
        rows, columns = weight.shape
        return cls(flat[:-rows].view(columns, columns), flat[-rows:])

    def diagonals(self) -> Tensor:
        """[rows, columns]"""
        return torch.diagonal(self.products) + self.counts.unsqueeze(1)


class LayerInputs(Statistic):
    """``Moments`` of each matrix, flat; of what is used both ways, of both."""

    def watching(self, weights):
        self._watch = Watch(weights)
        return self._watch

    def zeros(self, weight: Tensor) -> Tensor:
        rows, columns = weight.shape
        return torch.zeros(columns * columns + rows, device=weight.device)

    def take(self, name: str, gradient: Tensor) -> None:
        seen = self._watch.products, self._watch.counts
        if any(name in found for found in seen):
            total = self.sums.setdefault(name, self.zeros(gradient))
            for part, found in zip(Moments.of(gradient, total), seen):
                part += found.pop(name, 0.0)


def wanda(inputs: Inputs) -> Dict[str, Scorer]:
    """|w_ij| ||x_j||, x_j the j-th input over positions (Sun et al. 2023, arXiv 2306.11695,
    equation 1). To be compared within rows, ``--prune-row-floor``, or classes."""
    return {
        name: times(moments.diagonals().sqrt().reshape(-1))
        for name, moments in moments_of(inputs.weights, inputs.statistics).items()
    }


def layerwise(inputs: Inputs, exponent: float = 0.5, damping: float = 0.01) -> Dict[str, Scorer]:
    """|w| / [(H + damping)^-1]_ii^exponent: what a layer's output changes at least without w
    (Frantar and Alistarh 2023, "SparseGPT", arXiv 2301.00774, equation 4), rows solved exactly.

    Args:
        damping: in units of the mean of H's diagonals in the weight class.
    """
    scorers = {}
    for name, rows in _rows_of(inputs, damping).items():
        weight = inputs.weights[name]
        left = inputs.masks.get(name, torch.ones_like(weight, dtype=torch.bool))
        scorers[name] = times(rows.importance(left).pow_(exponent).reshape(-1))
    return scorers


def make_up(inputs: Inputs, exponent: float = 0.5, damping: float = 0.01) -> Dict[str, Tensor]:
    """The survivors of each row, set to where the layer's output changes least."""
    updated = {}
    for name, rows in _rows_of(inputs, damping).items():
        weight, mask = inputs.weights[name].detach(), inputs.masks[name]
        moved = weight.float().clone()
        rows.make_up_(moved, mask)
        change = (moved - weight.float()).to(weight.dtype)
        updated[name] = torch.where(mask, weight + change, torch.zeros_like(weight))
    return updated


def moments_of(weights: Mapping[str, Tensor], statistics: Mapping[str, Tensor]):
    """Name -> ``Moments``."""
    return {name: Moments.of(weights[name], flat) for name, flat in statistics.items()}


def _rows_of(inputs: Inputs, damping: float) -> Dict[str, FisherRows]:
    """With the matrices H in the place of a Fisher matrix: the loss is not known."""
    moments, rows = moments_of(inputs.weights, inputs.statistics), {}
    for names in inputs.by_class().values():
        count = sum(inputs.weights[name].numel() for name in names)
        total = sum(float(moments[name].diagonals().double().sum()) for name in names)
        for name in names:
            products, counts = moments[name]
            trace = torch.diagonal(products).sum().expand(len(counts))
            rows[name] = FisherRows.of(products, trace, counts + damping * total / count)
    return {name: rows[name] for name in inputs.weights}


SCORES["wanda"] = Score(wanda, LayerInputs)
SCORES["layerwise"] = Score(layerwise, LayerInputs, update=make_up, row_share=ROW_SHARE)
