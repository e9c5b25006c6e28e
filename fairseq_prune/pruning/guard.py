"""Guards: within some classes, each row's importance is scaled to one mean.

The loss says little of a rare word, so that its row would give way to those of frequent ones. With
a guard it decides which weights of a row stay, and their size alone how many.
"""

import re
from typing import Iterable

import torch
from torch import Tensor

from ..errors import OPTION, OptionError


def check_guard(weight_classes: Iterable[str], guard: str) -> None:
    """Raise PruneError where ``guard`` matches in none of the classes."""
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
