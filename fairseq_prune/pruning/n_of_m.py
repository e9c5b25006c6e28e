"""n:m patterns: of each m neighbours in a row of a matrix, the n with the highest scores stay.

Mishra et al. 2021, "Accelerating Sparse Deep Neural Networks" (arXiv 2104.08378), section 3:
hardware multiplies by such a matrix faster than by one whose zeros are anywhere. A row is what
follows the first dimension, as it lies in memory.
"""

import math
import re
from typing import Dict, Mapping, Optional, Tuple

import torch
from torch import Tensor

from ..errors import OPTION, OptionError, PruneError
from .pieces import CHUNK
from .score import Scorer, score_piece, without_signs
from .selection import not_finite

LARGEST = 32


def read_pattern(pattern: str) -> Tuple[int, int]:
    """n and m of "n:m".

    Raises:
        PruneError: not 0 < n < m <= 32, each a whole number.
            name begins with.
    """
    match = re.fullmatch(r"([1-9][0-9]?):([1-9][0-9]?)", pattern)
    n, m = map(int, match.groups()) if match else (0, 0)
    if not 0 < n < m <= LARGEST:
        raise OptionError(
            f"{OPTION}scheme {pattern} is no pattern n:m; give whole numbers, "
            f"0 < n < m <= {LARGEST}, e.g. 2:4 to keep 2 of each 4 weights"
        )
    return n, m


def select_n_of_m(
    weights: Mapping[str, Tensor],
    scorers: Mapping[str, Scorer],
    k: int,
    previous: Optional[Mapping[str, Tensor]] = None,
    *,
    n: int,
    m: int,
) -> Tuple[Dict[str, Tensor], float]:
    """Masks that keep ``n`` of each ``m`` neighbours in a row, as ``select_lowest`` makes them.

    Of equal scores in a group the earlier is pruned.

    Args:
        weights, scorers, previous: see ``select_lowest``. What ``previous`` has pruned counts.
        k: how many to prune; not needed, it follows from ``n`` and ``m``.
    Returns:
        masks, and the largest score pruned now (0.0 if nothing is).
    Raises:
        PruneError: what ``check_n_of_m`` refuses, or a score that is NaN or infinite; the
            parameter is named.
    """
    check_n_of_m(weights, previous, n=n, m=m)
    masks, threshold, unsigned = {}, 0.0, without_signs(scorers)
    size = max(1, CHUNK // m) * m
    for name, weight in weights.items():
        flat = weight.detach().reshape(-1)
        mask = torch.ones(flat.numel(), dtype=torch.bool, device=weight.device)
        for start in range(0, flat.numel(), size):
            piece = slice(start, start + size)
            scores = score_piece(unsigned[name], name, flat[piece], start)
            if previous is not None:
                # below any score: pruned first
                scores = scores.masked_fill(~previous[name].reshape(-1)[piece], -1.0)
            ranked, places = scores.view(-1, m).sort(dim=1, stable=True)
            if not math.isfinite(float(ranked[:, -1].max())):  # NaN ranks above infinity
                raise not_finite(name, weight)
            mask[piece].view(-1, m).scatter_(1, places[:, : m - n], False)
            threshold = max(threshold, float(ranked[:, m - n - 1].max()))
        masks[name] = mask.view(weight.shape)
    return masks, threshold


def check_n_of_m(
    weights: Mapping[str, Tensor], previous: Optional[Mapping[str, Tensor]], *, n: int, m: int
) -> None:
    """Raise PruneError unless these can have the pattern, whatever their scores.

    Rows are to be divided into groups of ``m``, none of which has more than m - n pruned already.
    """
    # a vector has rows of 1
    odd = [(name, w.shape[1:].numel()) for name, w in weights.items() if w.shape[1:].numel() % m]
    if odd:
        shown = ", ".join(f"{name} ({length})" for name, length in odd[:3])
        more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
        raise OptionError(
            f"{n}:{m} needs rows whose length is a multiple of {m}, not those of {shown}{more}; "
            f"leave out what does not fit with {OPTION}exclude"
        )
    before = previous or {}
    for name in (name for name in weights if name in before):
        for piece in before[name].reshape(-1).split(max(1, CHUNK // m) * m):
            if bool((piece.view(-1, m).sum(dim=1) < n).any()):
                raise PruneError(
                    f"{name} has groups of {m} neighbours of which more than {m - n} are pruned "
                    f"already; pruned weights stay pruned, so start {n}:{m} from a model that is "
                    f"not pruned"
                )
