"""Scores that know the loss: how much it changes, to second or first order, without a weight."""

from typing import Dict, Iterable, List, Optional

import torch
from torch import Tensor

from ..errors import OPTION, OptionError
from .guard import check_guard, is_guarded, row_factors
from .pieces import CHUNK
from .score import Inputs, Score, Scorer, sizes, times
from .statistics import AbsoluteGradients, SquaredGradients

#: A word that is rare costs the loss little, and its row would be emptied: then it cannot learn
#: again. A fifth of the density for each row costs next to nothing and is worth it
#: (docs/scores.md).
ROW_SHARE = 0.2


def fisher(
    inputs: Inputs, exponent: float = 0.25, damping: float = 0.1, guard: str = ""
) -> Dict[str, Scorer]:
    """|w| (F + damping mean F)^exponent, F the squared gradients of the weight.

    With exponent 1/2 and no damping it orders as optimal brain damage (LeCun et al. 1990,
    equation 5: w^2 h / 2) with the empirical Fisher diagonal in place of the Hessian's; a
    smaller exponent trusts it less. The mean is that of the weight's class.

    Args:
        guard: a regular expression, e.g. "embedding|softmax"; in classes that it matches in, F of
            each row is scaled to the mean of the class, so that a rare word's weights do not count
            less than a frequent one's. A row of which no gradient was seen has that mean
            throughout.
    """
    scorers: Dict[str, Scorer] = {}
    for weight_class, names in inputs.by_class().items():
        values = [inputs.statistics[name] for name in names]
        mean = _mean(values)
        guarded = is_guarded(guard, weight_class)
        for name, value in zip(names, values):
            factors = None
            if guarded and value.dim() > 1:
                factors = row_factors(value.flatten(1).mean(dim=1), mean)
            scorers[name] = _fisher_of(value, exponent, damping * mean, factors, mean)
    return scorers


def taylor(inputs: Inputs) -> Dict[str, Scorer]:
    """|w| mean |g|: the change of the loss to first order (Molchanov et al. 2019, equation 8,
    with absolute values before the mean, so that batches do not cancel)."""
    return {name: times(inputs.statistics[name].reshape(-1)) for name in inputs.weights}


def check_options(
    weight_classes: Iterable[str], exponent: float = 0.25, guard: str = "", **others: object
) -> None:
    """Raise PruneError where ``guard`` matches in none of the classes, or the scores would be too
    small for float32: importances are of 10 powers of ten and more.

    Args:
        others: the other options of the score, which are of no matter here.
    """
    if exponent > 1:
        raise OptionError(
            f"{OPTION}score: exponent={exponent:g} is out of range; give 0 to 1 (1/2 takes the "
            f"estimate at its word)"
        )
    check_guard(weight_classes, guard)


FISHER = Score(fisher, SquaredGradients, row_share=ROW_SHARE, check=check_options)
#: The same with the running mean of squared gradients that Adam has already.
ADAM = Score(fisher, state="exp_avg_sq", row_share=ROW_SHARE, check=check_options)
TAYLOR = Score(taylor, AbsoluteGradients, row_share=ROW_SHARE)


def _mean(values: List[Tensor]) -> float:
    count = sum(value.numel() for value in values)
    pieces = (piece for value in values for piece in value.reshape(-1).split(CHUNK))
    return sum(float(piece.double().sum()) for piece in pieces) / max(1, count)


def _fisher_of(
    value: Tensor, exponent: float, damping: float, factors: Optional[Tensor], mean: float
) -> Scorer:
    flat = value.reshape(-1)
    length = 0 if factors is None else flat.numel() // max(1, len(factors))

    def scorer(piece: Tensor, position: int) -> Tensor:
        end = position + piece.numel()
        importance = flat[position:end].to(piece.device)
        if factors is not None:
            of_rows = factors[position // length : (end - 1) // length + 1]
            start = position % length
            of_each = of_rows.repeat_interleave(length)[start : start + piece.numel()]
            of_each = of_each.to(piece.device)
            importance = torch.where(of_each > 0, importance * of_each, mean)
        factor = _power(importance + damping, exponent)
        if factor.dtype != torch.float32 or piece.dtype == torch.float64:
            return sizes(piece) * factor
        return factor.mul_(piece).abs_()  # the same numbers, and nothing more to make room for

    return scorer


def _power(numbers: Tensor, exponent: float) -> Tensor:
    """In place; roots of 2 and 4 take a fifth of the time that others do."""
    if exponent == 0.5:
        return numbers.sqrt_()
    if exponent == 0.25:
        return numbers.sqrt_().sqrt_()
    return numbers.pow_(exponent)
