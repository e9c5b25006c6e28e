"""Pruning schemes: a score to rank weights by, and a scope to rank them in.

See et al. 2016, section 3.3. All three are one algorithm: class-blind ranks |w| over
everything, class-uniform |w| within each class, class-distribution |w| / sigma_c over
everything, which makes the paper's lambda the threshold and the total exact.
"""

from dataclasses import dataclass
from typing import Callable, Dict, List

import torch
from torch import Tensor

from .selection import CHUNK, Scorer

#: From the parameters of one weight class to the scores of any piece of them.
Score = Callable[[List[Tensor]], Scorer]


def magnitude(weights: List[Tensor]) -> Scorer:
    """|w|, as float32 (exact for fp32, fp16 and bf16 weights)."""
    return lambda piece: piece.abs().float()


def standardized_magnitude(weights: List[Tensor]) -> Scorer:
    """|w| / sigma, sigma the standard deviation of the class.

    A sigma that is 0 in float32 counts as 1, so does that of a class with NaN weights,
    which the selection then finds and names.
    """
    sigma = standard_deviation(weights)
    if not torch.tensor(sigma, dtype=torch.float32) > 0:
        sigma = 1.0
    return lambda piece: piece.abs().float() / sigma


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


def everything(weight_class: str) -> str:
    """One ranking over all classes."""
    return ""


def each_class(weight_class: str) -> str:
    """A ranking for each class."""
    return weight_class


@dataclass(frozen=True)
class Scheme:
    """How pruning is distributed over the weight classes.

    Attributes:
        score: what is ranked.
        scope: from a class name to the ranking it belongs to; each ranking is pruned
            to the target sparsity.
    """

    score: Score
    scope: Callable[[str], str]


#: By the name that ``--prune-scheme`` takes. Add to it to extend.
SCHEMES: Dict[str, Scheme] = {
    "class-blind": Scheme(score=magnitude, scope=everything),
    "class-uniform": Scheme(score=magnitude, scope=each_class),
    "class-distribution": Scheme(score=standardized_magnitude, scope=everything),
}
