"""Scores that know the loss: how much it changes, to second or first order, without a weight."""

import re
from typing import Dict, Optional

import torch
from torch import Tensor

from .score import Inputs, Score, Scorer
from .selection import CHUNK
from .statistics import AbsoluteGradients, SquaredGradients

#: Weight classes that have a row for each word, of which most are rare.
VOCABULARY = "embedding|softmax"


def fisher(
    inputs: Inputs, exponent: float = 0.25, damping: float = 0.1, guard: str = VOCABULARY
) -> Dict[str, Scorer]:
    """|w| (F + damping mean F)^exponent, F the squared gradients of the weight.

    With exponent 1/2 and no damping it orders as optimal brain damage (LeCun et al. 1990,
    equation 5: w^2 h / 2) with the empirical Fisher diagonal in place of the Hessian's; a
    smaller exponent trusts it less. The mean is that of the weight's class.

    Args:
        guard: a regular expression, "" for none: in classes that it matches in, F is divided by
            the mean of its row, so that a rare word's weights do not count less than a frequent
            one's. A row of which no gradient was seen has F = 1 throughout.
    """
    scorers: Dict[str, Scorer] = {}
    for weight_class, names in inputs.by_class().items():
        guarded = bool(guard) and re.search(guard, weight_class) is not None
        values = [inputs.statistics[name] for name in names]
        if guarded:
            mean = 1.0
        else:
            count = sum(value.numel() for value in values)
            total = sum(float(p.double().sum()) for v in values for p in v.reshape(-1).split(CHUNK))
            mean = total / max(1, count)
        for name, value in zip(names, values):
            rows = _row_means(value) if guarded and value.dim() > 1 else None
            scorers[name] = _fisher_of(value, exponent, damping, rows, mean)
    return scorers


def taylor(inputs: Inputs) -> Dict[str, Scorer]:
    """|w| mean |g|: the change of the loss to first order (Molchanov et al. 2019, equation 8,
    with absolute values before the mean, so that batches do not cancel)."""
    return {name: _taylor_of(inputs.statistics[name]) for name in inputs.weights}


FISHER = Score(fisher, SquaredGradients)
#: The same with the running mean of squared gradients that Adam has already.
ADAM = Score(fisher, state="exp_avg_sq")
TAYLOR = Score(taylor, AbsoluteGradients)


def _row_means(value: Tensor) -> Tensor:
    """float32, one a row; 0 for a row of zeros."""
    return value.reshape(value.shape[0], -1).mean(dim=1)


def _fisher_of(
    value: Tensor, exponent: float, damping: float, rows: Optional[Tensor], mean: float
) -> Scorer:
    flat = value.reshape(-1)
    length = 0 if rows is None else flat.numel() // max(1, len(rows))

    def scorer(piece: Tensor, position: int) -> Tensor:
        end = position + piece.numel()
        importance = flat[position:end].to(piece.device)
        if rows is None:
            importance = importance + damping * mean
        else:
            of_row = rows[position // length : (end - 1) // length + 1]
            start = position - position // length * length
            means = of_row.repeat_interleave(length)[start : start + piece.numel()]
            importance = torch.where(means > 0, importance / means, torch.ones_like(means))
            importance += damping
        size = piece.abs().to(torch.promote_types(piece.dtype, torch.float32))
        return size * _power(importance, exponent)

    return scorer


def _power(numbers: Tensor, exponent: float) -> Tensor:
    """In place; roots of 2 and 4 take a fifth of the time that others do."""
    if exponent == 0.5:
        return numbers.sqrt_()
    if exponent == 0.25:
        return numbers.sqrt_().sqrt_()
    return numbers.pow_(exponent)


def _taylor_of(value: Tensor) -> Scorer:
    flat = value.reshape(-1)

    def scorer(piece: Tensor, position: int) -> Tensor:
        size = piece.abs().to(torch.promote_types(piece.dtype, torch.float32))
        return size * flat[position : position + piece.numel()].to(piece.device)

    return scorer
