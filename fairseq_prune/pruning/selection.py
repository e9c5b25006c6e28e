"""Exact selection of the k lowest scores, in memory that does not grow with the model.

The bit pattern of a non-negative float32 orders like the integer it spells, so the
k-th smallest score is found digit by digit: a histogram of the upper 16 bits over
everything finds the upper half of the answer, a second one of the lower 16 bits over
the scores that share it finds the rest. Histograms are sums over chunks, so nothing
is sorted or copied whole.
"""

import struct
from typing import Callable, Dict, Iterator, Mapping, Optional, Tuple

import torch
from torch import Tensor

from .errors import PruneError

Scorer = Callable[[Tensor], Tensor]

# 1 MB of float32: the temporaries stay in cache, the overhead of a call does not show
CHUNK = 1 << 18
_DIGIT = 1 << 16
_INF_BITS = 0x7F800000


def select_lowest(
    weights: Mapping[str, Tensor],
    scorers: Mapping[str, Scorer],
    k: int,
    among: Optional[Mapping[str, Tensor]] = None,
) -> Tuple[Dict[str, Tensor], float]:
    """Masks that prune exactly the ``k`` weights with the lowest scores.

    Ties at the threshold are pruned in the order of ``weights``, then of the index.

    Args:
        weights: parameters by name; any shape, floating point.
        scorers: for each name, a function from a flat piece of the parameter to the
            float32 scores of that piece, all >= 0 and no negative zero (``abs`` has none).
        k: how many to prune, 0 <= k <= number of weights ranked.
        among: masks; what is False there is not ranked and stays pruned. Default: all.
    Returns:
        masks, bool tensors shaped like the parameters, True = keep, False = pruned;
        and the threshold, the largest pruned score (0.0 if k is 0).
    Raises:
        PruneError: a score is NaN or infinite; the parameter is named.
    """
    ranked = {name: None if among is None else among[name].reshape(-1) for name in weights}
    total = sum(
        weight.numel() if ranked[name] is None else int(ranked[name].sum())
        for name, weight in weights.items()
    )
    if not 0 <= k <= total:
        raise ValueError(f"cannot select {k} of {total} weights")
    threshold, ties = _threshold(weights, scorers, k, ranked)
    masks = {}
    for name, weight in weights.items():
        mask = torch.empty(weight.numel(), dtype=torch.bool, device=weight.device)
        for start, bits in _score_bits(weight, scorers[name]):
            keep = mask[start : start + bits.numel()]
            candidates = None if among is None else ranked[name][start : start + bits.numel()]
            if ties:
                torch.gt(bits, threshold, out=keep)
                tied = bits == threshold
                if candidates is not None:
                    tied &= candidates
                ties -= _spare_later_ties_(keep, tied, ties)
            else:
                torch.ge(bits, threshold, out=keep)
            if candidates is not None:
                keep &= candidates
        masks[name] = mask.view(weight.shape)
    return masks, max(0.0, struct.unpack("<f", struct.pack("<I", max(threshold, 0)))[0])


def not_finite(name: str) -> PruneError:
    """The error for a parameter with scores that cannot be ranked."""
    return PruneError(
        f"{name} holds NaN or infinite weights; a model that has diverged cannot be pruned"
    )


def _threshold(weights, scorers, k: int, ranked) -> Tuple[int, int]:
    """Bits of the k-th smallest score, and how many scores equal to it are to go."""
    high = 0
    for name, weight in weights.items():
        counts = _histogram(weight, scorers[name], ranked[name])
        # no number has a larger bit pattern than NaN and infinity
        if int(counts[_INF_BITS >> 16 :].sum()):
            raise not_finite(name)
        high = counts + high
    if k == 0:
        return -1, 0
    upper, below = _digit_of(high, k)
    low = 0
    for name, weight in weights.items():
        low = _histogram(weight, scorers[name], ranked[name], upper) + low
    lower, below_lower = _digit_of(low, k - below)
    return (upper << 16) | lower, k - below - below_lower


def _histogram(weight: Tensor, scorer: Scorer, ranked: Optional[Tensor], upper: int = -1) -> Tensor:
    """Counts of the upper 16 bits or, for the scores with those ``upper`` bits, the lower."""
    counts = torch.zeros(_DIGIT, dtype=torch.int64, device=weight.device)
    for start, bits in _score_bits(weight, scorer):
        if ranked is not None:
            bits = bits[ranked[start : start + bits.numel()]]
        if upper < 0:
            digits = bits >> 16
        else:
            digits = bits[(bits >> 16) == upper] & (_DIGIT - 1)
        counts += torch.bincount(digits, minlength=_DIGIT)
    return counts.cpu()


def _digit_of(counts: Tensor, k: int) -> Tuple[int, int]:
    """The bin that holds the k-th smallest (k >= 1), and the count in the bins before it."""
    cumulative = counts.cumsum(0)
    digit = int(torch.searchsorted(cumulative, k))
    return digit, int(cumulative[digit] - counts[digit])


def _score_bits(weight: Tensor, scorer: Scorer) -> Iterator[Tuple[int, Tensor]]:
    """(position, scores as int32 bit patterns) of consecutive pieces of ``weight``."""
    flat = weight.detach().reshape(-1)
    for start in range(0, flat.numel(), CHUNK):
        yield start, scorer(flat[start : start + CHUNK]).view(torch.int32)


def _spare_later_ties_(keep: Tensor, tied: Tensor, budget: int) -> int:
    """Keep all but the first ``budget`` of the tied positions; return how many went."""
    found = int(tied.sum())
    if found > budget:
        keep |= tied & (tied.cumsum(0) > budget)
    return min(found, budget)
