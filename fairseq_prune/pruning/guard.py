"""Guards: within some classes, each row's importance is scaled to one mean.

The loss says little of a rare word, so that its row would give way to those of frequent ones. With
a guard it decides which weights of a row stay, and their size alone how many.
"""

import re
from typing import Iterable

import torch
from torch import Tensor

from ..errors import OPTION, OptionError


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
    names = list(dict.fromkeys(weight_classes))
    if guard and not any(is_guarded(guard, name) for name in names):
        raise OptionError(
            f"{OPTION}score: guard={guard} matches in no weight class; there are {', '.join(names)}"
        )


def is_guarded(guard: str, weight_class: str) -> bool:
    """
    Args:
        guard: a regular expression, e.g. "embedding|softmax"; empty: no class is.
    """
    return bool(guard) and re.search(guard, weight_class) is not None


def row_factors(means: Tensor, mean: float) -> Tensor:
    """What the numbers of each row are multiplied by to have that mean; 0 for a row of zeros, or of
    what is left after thousands of updates that did not see it (1e-44 in ``exp_avg_sq``).

    Args:
        means: of the numbers of each row, [rows], >= 0.
        mean: of the class.
    """
    factors = mean / means
    return torch.where(torch.isfinite(factors), factors, torch.zeros_like(factors))
