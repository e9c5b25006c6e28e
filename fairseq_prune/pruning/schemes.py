"""Pruning schemes: a score to rank weights by, and a scope to rank them in.

See et al. 2016, section 3.3. All three are one algorithm: class-blind ranks |w| over
everything, class-uniform |w| within each class, class-distribution |w| / sigma_c over
everything, which makes the paper's lambda the threshold and the total exact. A pattern n:m
cuts a ranking in another way: in each group of m neighbours.
"""

from dataclasses import dataclass
from functools import partial
from typing import Callable, Dict, List, Mapping, Optional, Tuple

import torch
from torch import Tensor

from .errors import PruneError
from .n_of_m import read_pattern, select_n_of_m
from .selection import CHUNK, Scorer, select_lowest

#: From the parameters of one weight class to the scores of any piece of them.
Score = Callable[[List[Tensor]], Scorer]
#: From the weights of a ranking, their scorers, how many to prune and the masks to prune
#: within (or None) to masks and the threshold: ``select_lowest`` or alike.
Cut = Callable[
    [Mapping[str, Tensor], Mapping[str, Scorer], int, Optional[Mapping[str, Tensor]]],
    Tuple[Dict[str, Tensor], float],
]


def magnitude(weights: List[Tensor]) -> Scorer:
    """|w|: exact, as float32, and as float64 for float64 weights."""
    return lambda piece: piece.abs().to(_kind([piece]))


def standardized_magnitude(weights: List[Tensor]) -> Scorer:
    """|w| / sigma, sigma the standard deviation of the class.

    A sigma that is 0 in the type of the scores counts as 1, so does that of a class with NaN
    weights, which the selection then finds and names.
    """
    sigma, kind = standard_deviation(weights), _kind(weights)
    if not torch.tensor(sigma, dtype=kind) > 0:
        sigma = 1.0
    return lambda piece: piece.abs().to(kind) / sigma


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
        cut: how a ranking is pruned to it; by default, of its lowest scores.
        sparsity: the only one that ``cut`` can prune to; None: any.
    """

    score: Score
    scope: Callable[[str], str]
    cut: Cut = select_lowest
    sparsity: Optional[float] = None


#: By the name that ``--prune-scheme`` takes. Add to it to extend.
SCHEMES: Dict[str, Scheme] = {
    "class-blind": Scheme(score=magnitude, scope=everything),
    "class-uniform": Scheme(score=magnitude, scope=each_class),
    "class-distribution": Scheme(score=standardized_magnitude, scope=everything),
}


def find_scheme(name: str, flags: str = "--prune-") -> Scheme:
    """The scheme of that name: one of ``SCHEMES``, or the pattern that "n:m" spells.

    Args:
        flags: what the options' names begin with where the user gave them.
    Raises:
        PruneError: there is none; the option is named.
    """
    if name in SCHEMES:
        return SCHEMES[name]
    if ":" not in name:
        raise PruneError(
            f"{flags}scheme {name} is unknown; choose from {', '.join(SCHEMES)}, "
            f'n:m (such as "2:4"; in YAML with the quotes)'
        )
    n, m = read_pattern(name, flags)
    cut = partial(select_n_of_m, n=n, m=m)
    return Scheme(score=magnitude, scope=everything, cut=cut, sparsity=(m - n) / m)


def check_request(scheme: str, sparsity: float, flags: str = "--prune-") -> None:
    """Raise PruneError, naming the option, unless scheme and sparsity can be asked for.

    Args:
        flags: as of ``find_scheme``.
    """
    only = find_scheme(scheme, flags).sparsity
    if only is not None and not abs(sparsity - only) <= 1e-9:
        raise PruneError(
            f"{flags}sparsity {sparsity} is not that of {flags}scheme {scheme}; give "
            f"{flags}sparsity {only}"
        )
    if not 0.0 <= sparsity < 1.0:
        raise PruneError(
            f"{flags}sparsity {sparsity:g} is outside [0, 1); it is the fraction of weights "
            f"to prune, e.g. 0.8"
        )
