"""Scores that are made of the weights alone."""

from typing import Dict, List

import torch
from torch import Tensor

from .pieces import CHUNK
from .score import Inputs, Score, Scorer, given, sizes


def magnitude(inputs: Inputs) -> Dict[str, Scorer]:
    """|w|, exact: as float32, and as float64 for float64 weights (See et al. 2016, 3.3)."""
    return {name: _absolute for name in inputs.weights}


def standardized_magnitude(inputs: Inputs) -> Dict[str, Scorer]:
    """|w| / sigma, sigma the standard deviation of the class (See et al. 2016, section 3.3).

    Over all weights of the class, the pruned ones as zeros: what a class-distribution run
    prunes next does not depend on how many steps led there. A sigma that is 0 in the type of
    the scores counts as 1, so does that of a class with NaN weights, which the selection then
    finds and names.
    """
    scorers: Dict[str, Scorer] = {}
    for names in inputs.by_class().values():
        weights = [inputs.weights[name] for name in names]
        scorers.update(dict.fromkeys(names, _over(standard_deviation(weights), _kind(weights))))
    return scorers


def lamp(inputs: Inputs) -> Dict[str, Scorer]:
    """Layer-adaptive magnitude: w^2 over the sum of all squares >= it in the same matrix.

    Lee et al. 2021, "Layer-adaptive Sparsity for the Magnitude-based Pruning" (arXiv
    2010.07611), equation 2. One float32 a weight, and 20 bytes a weight of the largest matrix
    while its magnitudes are sorted.
    """
    return {name: given(_lamp_of(weight)) for name, weight in inputs.weights.items()}


MAGNITUDE = Score(magnitude)
STANDARDIZED_MAGNITUDE = Score(standardized_magnitude)
LAMP = Score(lamp)


def _absolute(piece: Tensor, position: int) -> Tensor:
    return sizes(piece)


def _over(sigma: float, kind: torch.dtype) -> Scorer:
    if not torch.tensor(sigma, dtype=kind) > 0:
        sigma = 1.0
    return lambda piece, position: piece.abs().to(kind) / sigma


def _kind(weights: List[Tensor]) -> torch.dtype:
    """The type that holds all their magnitudes as they are."""
    wide = any(weight.dtype == torch.float64 for weight in weights)
    return torch.float64 if wide else torch.float32


def standard_deviation(weights: List[Tensor]) -> float:
    """Population standard deviation over all elements of ``weights``, in float64."""
    count = sum(weight.numel() for weight in weights)
    if count == 0:
        return 0.0
    mean = sum(float(piece.sum()) for piece in _pieces(weights)) / count
    variance = sum(float((piece - mean).square().sum()) for piece in _pieces(weights)) / count
    return variance**0.5


def _pieces(weights: List[Tensor]):
    for weight in weights:
        for piece in weight.detach().reshape(-1).split(CHUNK):
            yield piece.to(torch.float64)


def _lamp_of(weight: Tensor) -> Tensor:
    """float32, flat."""
    sizes = weight.detach().reshape(-1).abs().float()
    ordered = sizes.sort().values
    down_to_each = ordered.flip(0).double().square_().cumsum_(0)
    scores = torch.empty_like(sizes)
    for piece, out in zip(sizes.split(CHUNK), scores.split(CHUNK)):
        # NaN has no place among them; all sums are NaN then, and the selection names the weight
        places = torch.searchsorted(ordered, piece).clamp_(max=len(ordered) - 1)
        sums = down_to_each[len(ordered) - 1 - places]
        # a sum of 0 is of zeros alone
        out.copy_(piece.double().square() / sums.masked_fill(sums == 0, 1.0))
    return scores
