"""Guards: within some classes, each row's importance is scaled to one mean.

The loss says little of a rare word, so that its row would give way to those of frequent ones. With
a guard it decides which weights of a row stay, and their size alone how many.
"""

import re

import torch
from torch import Tensor


def is_guarded(guard: str, weight_class: str) -> bool:
    """
    Args:
        guard: a regular expression, e.g. "embedding|softmax"; empty: no class is.
    """
    return bool(guard) and re.search(guard, weight_class) is not None


def row_factors(means: Tensor, mean: float) -> Tensor:
    """What the numbers of each row are multiplied by to have that mean; 0 for a row of zeros.

    Args:
        means: of the numbers of each row, [rows], >= 0.
        mean: of the class.
    """
    return torch.where(means > 0, mean / means, torch.zeros_like(means))
