"""The lowest scores, but for the highest of each row.

What rows keep is looked for where it stands in the way alone: most rows have more than their
floor left anyway, and to find the highest scores of all takes longer than to select.
"""

from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from .score import Scorer, given, score_piece
from .selection import CHUNK, Selection, select, select_lowest


def select_above_rows(
    weights: Mapping[str, Tensor],
    scorers: Mapping[str, Scorer],
    k: int,
    among: Optional[Mapping[str, Tensor]],
    least: Mapping[str, int],
) -> Tuple[Dict[str, Tensor], float]:
    """Masks that prune the ``k`` lowest scores outside of the ``least`` highest of each row.

    Let t be the k-th lowest score of all, and H the highest of rows. Outside of H there are fewer
    up to t than k, by as many as H has there; these all go, and of those above t as many as are
    missing, the lowest outside of H. They are looked for up to a limit. A row with enough above
    the limit has none of H below it, so that H need not be known but in the other rows.

    Args:
        weights, scorers, among: as of ``select_lowest``.
        k: at most as many as H leaves.
        least: by name; a row with fewer left keeps these. 0 of what has no rows.
    Returns, Raises:
        as ``select_lowest``: of equal scores the later stay.
    """
    found = select(weights, scorers, k, among)
    kept = {
        name: _Kept(mask.view(-1), None if among is None else among[name].reshape(-1))
        for name, mask in found.masks.items()
    }
    missing = sum(
        of.missing(least[name], row_length(weights[name]))
        for name, of in kept.items()
        if least[name]
    )
    if not missing:
        return found.masks, found.threshold
    next_ones: Dict[str, _Open] = {}
    more = missing
    while sum(len(of.places) for of in next_ones.values()) < missing:
        # some of the next are in rows that cannot spare them
        more *= 2
        limit = found.limit(k + more)
        next_ones = {
            name: _restore(name, weight, found, kept[name], least[name], limit)
            for name, weight in weights.items()
        }
    scores = {name: of.scores for name, of in next_ones.items()}
    stay, threshold = select_lowest(scores, {n: given(s) for n, s in scores.items()}, missing)
    for name, mask in found.masks.items():
        mask.view(-1)[next_ones[name].places[~stay[name]]] = False
    return found.masks, threshold


class _Kept(NamedTuple):
    """Masks of a weight, flat: what is kept, and what may be (None: all)."""

    mask: Tensor
    among: Optional[Tensor]

    def rows(self, piece: slice, length: int) -> Tuple[Tensor, Optional[Tensor]]:
        """Views of whole rows, [rows, length]."""
        among = None if self.among is None else self.among[piece].view(-1, length)
        return self.mask[piece].view(-1, length), among

    def missing(self, least: int, length: int) -> int:
        """How many more rows are to keep."""
        needed = least
        if self.among is not None:
            needed = count_rows(self.among, length).clamp(max=least)
        return int((needed - count_rows(self.mask, length)).clamp(min=0).sum())


class _Open(NamedTuple):
    """Some weights that are kept so far and may go: their scores and flat places."""

    scores: Tensor
    places: Tensor


def _restore(
    name: str, weight: Tensor, found: Selection, kept: _Kept, least: int, limit: float
) -> _Open:
    """Give rows what they are to keep, in ``kept``; what is kept up to ``limit`` and may go."""
    length = row_length(weight)
    flat = weight.detach().reshape(-1)
    size = max(1, CHUNK // length) * length
    open_scores: List[Tensor] = [torch.zeros(0, dtype=found.kind.dtype, device=weight.device)]
    places: List[Tensor] = [torch.zeros(0, dtype=torch.int64, device=weight.device)]
    for start in range(0, flat.numel(), size):
        piece = slice(start, start + size)
        scores = score_piece(found.scorers[name], name, flat[piece], start)
        scores = scores.to(found.kind.dtype).view(-1, length)
        mask, allowed = kept.rows(piece, length)
        low, tight = _low_ones(scores, mask, limit, _needed(allowed, least))
        if len(tight):
            highest = _highest_of(tight, scores, least, allowed)
            mask |= highest
            low = low[~highest.view(-1)[low]]
        open_scores.append(scores.view(-1)[low])
        places.append(low + start)
    return _Open(torch.cat(open_scores), torch.cat(places))


def _low_ones(scores: Tensor, mask: Tensor, limit: float, needed) -> Tuple[Tensor, Tensor]:
    """Flat places of what is kept up to ``limit``; the rows that have less than ``needed`` above.

    Where no row has more than it needs there are no such places.
    """
    of_each = _count(mask)
    if not bool((of_each > needed).any()):
        low = torch.zeros(0, dtype=torch.int64, device=mask.device)
        return low, (of_each < needed).nonzero().squeeze(1)
    low = (mask & (scores <= limit)).view(-1).nonzero().squeeze(1)
    rows = torch.div(low, mask.shape[1], rounding_mode="floor")
    tight = of_each - torch.bincount(rows, minlength=len(mask)) < needed
    return low, tight.nonzero().squeeze(1)


def row_length(weight: Tensor) -> int:
    """Weights in a row; a vector has rows of 1."""
    return max(1, weight.shape[1:].numel())


def count_rows(mask: Tensor, length: int) -> Tensor:
    """How many of each row of a flat mask; in pieces, a tenth of the time that it takes at once."""
    rows = mask.view(-1, length)
    return torch.cat([_count(piece) for piece in rows.split(max(1, CHUNK // length))])


def _count(mask: Tensor) -> Tensor:
    """Of each row; int32 takes a third of the time of int64."""
    return mask.sum(1, dtype=torch.int32)


def _needed(allowed: Optional[Tensor], least: int):
    """How many each row is to keep."""
    return least if allowed is None else _count(allowed).clamp(max=least)


def _highest_of(rows: Tensor, scores: Tensor, least: int, allowed: Optional[Tensor]) -> Tensor:
    """Bool, shaped like the scores: the highest of some of the rows."""
    if len(rows) == len(scores):
        return _highest(scores, least, allowed)
    highest = torch.zeros(scores.shape, dtype=torch.bool, device=scores.device)
    some = None if allowed is None else allowed[rows]
    highest[rows] = _highest(scores[rows], least, some)
    return highest


def _highest(scores: Tensor, least: int, allowed: Optional[Tensor]) -> Tensor:
    """Bool: the ``least`` highest of each row, of equal ones the later; or all that are allowed."""
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -1.0)
    last = _kth_highest(scores, least)
    highest = scores >= last
    surplus = (_count(highest) > least).nonzero().squeeze(1)
    if len(surplus):
        some, last = scores[surplus], last[surplus]
        above, tied = some > last, some == last
        rest = least - above.sum(1, keepdim=True)
        from_the_end = tied.flip(1).cumsum(1).flip(1)
        highest[surplus] = above | (tied & (from_the_end <= rest))
    return highest if allowed is None else highest & allowed


def _kth_highest(scores: Tensor, k: int) -> Tensor:
    """[rows, 1]. Of each row cut into groups: the k highest are in the k with the highest maxima,
    and what these groups hold is a small part of a long row."""
    length = scores.shape[1]
    in_group = int((length / k) ** 0.5)
    if in_group > 1:
        grouped = length // in_group * in_group
        groups = scores[:, :grouped].view(len(scores), in_group, -1)
        best = groups.amax(1).topk(k, dim=1, sorted=False).indices
        found = groups.gather(2, best.unsqueeze(1).expand(-1, in_group, -1)).flatten(1)
        scores = torch.cat([found, scores[:, grouped:]], dim=1)
    return scores.topk(k, dim=1, sorted=False).values.amin(1, keepdim=True)
