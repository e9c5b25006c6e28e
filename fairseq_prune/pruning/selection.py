"""Exact selection of the k lowest scores, in memory that does not grow with the model.

The bit pattern of a non-negative float32 orders like the integer it spells, so the
k-th smallest score is found digit by digit: a histogram of the upper 16 bits over
everything finds the upper half of the answer. Where few scores share it, the k-th is found
among these; where many do, a histogram of their next 16 bits comes first (float32 has two
such digits, float64 four). Histograms are sums over chunks, so nothing is sorted or copied
whole.
"""

import struct
from typing import Dict, Iterator, Mapping, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from ..errors import PruneError
from .doubtful import Doubtful, check_as_counted, spare_later_ties_
from .pieces import CHUNK, piece_length
from .score import Scorer, score_piece, without_signs

_DIGIT = 1 << 16
#: As many scores with the threshold's digits are looked at one by one, with their places: 24 MB.
FEW = 1 << 21


class _Float(NamedTuple):
    """How the bit patterns of a floating-point type are taken apart."""

    dtype: torch.dtype
    integer: torch.dtype
    shift: int  # to its first digit
    infinite: int  # first digit of infinity; no number has a larger one, NaN has
    codes: Tuple[str, str]  # of ``struct``, for the number and its bits

    def number(self, bits: int) -> float:
        """What ``bits`` spell."""
        number, integer = self.codes
        return struct.unpack(number, struct.pack(integer, bits))[0]


_SINGLE = _Float(torch.float32, torch.int32, 16, 0x7F80, ("<f", "<I"))
_DOUBLE = _Float(torch.float64, torch.int64, 48, 0x7FF0, ("<d", "<Q"))


class Digits(NamedTuple):
    """How many of all scores have each first digit: enough to tell about where the k-th lowest is.

    Attributes:
        counts: of each digit.
        scorers: those that were counted, none of whose scores has its sign set.
        kind: the type that scores are ranked in.
    """

    counts: Tensor
    scorers: Mapping[str, Scorer]
    kind: _Float

    def around(self, first: int, last: int) -> Tuple[float, float, int]:
        """The least number of the digit of the ``first`` lowest, the largest of that of the
        ``last``, and how many there are from the one to the other.

        There may be fewer than ``last``; then it is the largest number that there is.
        """
        ends = torch.searchsorted(self.counts.cumsum(0), torch.tensor([first, last]))
        low, high = ends.clamp(max=self.kind.infinite - 1).tolist()
        shift, count = self.kind.shift, int(self.counts[low : high + 1].sum())
        return self.kind.number(low << shift), self.kind.number(((high + 1) << shift) - 1), count


def first_digits(
    weights: Mapping[str, Tensor],
    scorers: Mapping[str, Scorer],
    previous: Optional[Mapping[str, Tensor]] = None,
) -> Digits:
    """Of the scores that ``select_lowest`` would rank; Args and Raises as there."""
    kind, ranked = _kind_of(weights), _flat(weights, previous)
    try:
        return Digits(_first_counts(weights, scorers, ranked, kind), scorers, kind)
    except _Signed:
        scorers = without_signs(scorers)
        return Digits(_first_counts(weights, scorers, ranked, kind), scorers, kind)


def select_lowest(
    weights: Mapping[str, Tensor],
    scorers: Mapping[str, Scorer],
    k: int,
    previous: Optional[Mapping[str, Tensor]] = None,
) -> Tuple[Dict[str, Tensor], float]:
    """Masks that prune exactly the ``k`` weights with the lowest scores.

    Ties at the threshold are pruned in the order of ``weights``, then of the index.

    Args:
        weights: parameters by name; any shape, floating point.
        scorers: for each name, what gives the scores of a piece of the parameter.
        k: how many to prune, 0 <= k <= number of weights ranked.
        previous: masks; what is False there is not ranked and stays pruned. Default: all.
    Returns:
        masks, bool tensors shaped like the parameters, True = keep, False = pruned;
        and the threshold, the largest pruned score (0.0 if k is 0).
    Raises:
        PruneError: a score is NaN, infinite or negative; the parameter is named.
    """
    try:
        return _select(weights, scorers, k, previous)
    except _Signed:
        return _select(weights, without_signs(scorers), k, previous)


class _Signed(Exception):
    """A score has its sign set: it is negative, or -0.0."""


def _select(weights, scorers, k: int, previous) -> Tuple[Dict[str, Tensor], float]:
    ranked = _flat(weights, previous)
    total = sum(
        weight.numel() if previous is None else int(torch.count_nonzero(previous[name]))
        for name, weight in weights.items()
    )
    if not 0 <= k <= total:
        raise ValueError(f"cannot select {k} of {total} weights")
    kind = _kind_of(weights)
    digits, shift, left, count = _boundary(weights, scorers, k, ranked, kind)
    doubtful = Doubtful(count if shift else 0, kind.integer)
    masks = {}
    for name, weight in weights.items():
        mask = torch.empty(weight.numel(), dtype=torch.bool, device=weight.device)
        allowed = ranked[name]
        for start, bits in _score_bits(name, weight, scorers[name], kind):
            keep = mask[start : start + bits.numel()]
            candidates = None if allowed is None else allowed[start : start + bits.numel()]
            upper = bits >> shift if shift else bits
            if left:
                torch.gt(upper, digits, out=keep)
                tied = upper == digits
                if candidates is not None:
                    tied &= candidates
                if shift:
                    doubtful.add(mask, start, tied, bits)
                else:
                    left -= spare_later_ties_(keep, tied, left)
            else:
                torch.ge(upper, digits, out=keep)
            if candidates is not None:
                keep &= candidates
        masks[name] = mask.view(weight.shape)
    threshold = doubtful.decide_(left) if shift else digits
    return masks, kind.number(max(threshold, 0))


def _kind_of(weights: Mapping[str, Tensor]) -> _Float:
    """Wide enough for all that are ranked together."""
    wide = any(weight.dtype == torch.float64 for weight in weights.values())
    return _DOUBLE if wide else _SINGLE


def _flat(weights, previous) -> Dict[str, Optional[Tensor]]:
    return {name: None if previous is None else previous[name].reshape(-1) for name in weights}


def not_finite(name: str, weight: Tensor) -> PruneError:
    """The error for a parameter with scores that cannot be ranked."""
    for piece in weight.detach().reshape(-1).split(CHUNK):
        if not bool(torch.isfinite(piece).all()):
            return PruneError(
                f"{name} holds NaN or infinite weights; a model that has diverged cannot be pruned"
            )
    return PruneError(
        f"{name} has NaN or infinite scores, although its weights are finite; take another score, "
        f"or exclude it"
    )


def _boundary(weights, scorers, k: int, ranked, kind: _Float) -> Tuple[int, int, int, int]:
    """The first digits of the k-th smallest score, so many that few scores share them or that
    those are equal; the shift to them; how many of those that share them are to go; and how many
    these are."""
    counts = _first_counts(weights, scorers, ranked, kind)
    if k == 0:
        return -1, 0, 0, 0
    shift = kind.shift
    digits, below = _digit_of(counts, k)
    left, count = k - below, int(counts[digits])
    while shift and count > FEW:
        shift -= 16
        counts = _counts(weights, scorers, ranked, kind, shift, digits)
        digit, below = _digit_of(counts, left)
        digits, left, count = (digits << 16) | digit, left - below, int(counts[digit])
    return digits, shift, left, count


def _first_counts(weights, scorers, ranked, kind: _Float) -> Tensor:
    return _counts(weights, scorers, ranked, kind, kind.shift, 0)


def _counts(weights, scorers, ranked, kind: _Float, shift: int, above: int) -> Tensor:
    """``_histogram`` of all."""
    counts = torch.zeros(_DIGIT, dtype=torch.int64)
    for name, weight in weights.items():
        histogram = _histogram(name, weight, scorers[name], ranked[name], kind, shift, above)
        if shift == kind.shift and int(histogram[kind.infinite :].sum()):
            raise not_finite(name, weight)
        counts += histogram
    return counts


def _histogram(
    name: str,
    weight: Tensor,
    scorer: Scorer,
    ranked: Optional[Tensor],
    kind: _Float,
    shift: int,
    above: int,
) -> Tensor:
    """Counts of the digit at ``shift``, over the scores whose digits before it are ``above``."""
    counts = torch.zeros(_DIGIT, dtype=torch.int64, device=weight.device)
    for start, bits in _score_bits(name, weight, scorer, kind):
        if ranked is not None:
            bits = bits[ranked[start : start + bits.numel()]]
        if shift == kind.shift:
            digits = bits >> shift
        else:
            digits = (bits[(bits >> (shift + 16)) == above] >> shift) & (_DIGIT - 1)
        try:
            counts += torch.bincount(digits, minlength=_DIGIT)
        except RuntimeError as error:  # of a negative number
            if bool(torch.isnan(bits.view(kind.dtype)).any()):  # 0/0 has its sign set
                raise not_finite(name, weight) from error
            raise _Signed from error
    return counts.cpu()


def _digit_of(counts: Tensor, k: int) -> Tuple[int, int]:
    """The bin that holds the k-th smallest (k >= 1), and the count in the bins before it."""
    cumulative = counts.cumsum(0)
    check_as_counted(k <= int(cumulative[-1]))
    digit = int(torch.searchsorted(cumulative, k))
    return digit, int(cumulative[digit] - counts[digit])


def _score_bits(
    name: str, weight: Tensor, scorer: Scorer, kind: _Float
) -> Iterator[Tuple[int, Tensor]]:
    """(position, scores as bit patterns) of consecutive pieces of ``weight``."""
    flat, size = weight.detach().reshape(-1), piece_length(weight)
    for start in range(0, flat.numel(), size):
        scores = score_piece(scorer, name, flat[start : start + size], start)
        yield start, scores.to(kind.dtype).view(kind.integer)
