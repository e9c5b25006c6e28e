"""The lowest scores, but for the highest of each row.

What rows keep is looked for where it stands in the way alone: most rows have more than their
floor left anyway, and to find the highest scores of all takes longer than to select.
"""

from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from .pieces import CHUNK, piece_length, row_length
from .score import Scorer, given, score_piece
from .selection import Digits, first_digits, select_lowest

#: Of all scores, as many may be kept with their places, 12 bytes each. Scores from which floors
#: are told apart are mostly fewer than half of these.
MOST_NEAR = 0.25


def select_above_rows(
    weights: Mapping[str, Tensor],
    scorers: Mapping[str, Scorer],
    k: int,
    previous: Optional[Mapping[str, Tensor]],
    least: Mapping[str, int],
) -> Tuple[Dict[str, Tensor], float]:
    """Masks that prune the ``k`` lowest scores outside of the ``least`` highest of each row.

    Let H be the highest of rows, and t a number that fewer than k of all scores are below. Then
    fewer outside of H are, and these all go; of those from t on go as many as are missing, the
    lowest outside of H. There are enough up to a limit that k scores and as many as H has are not
    above. A row with what it needs above the limit has none of H up to it: H is looked for in the
    other rows alone.

    Args:
        weights, scorers, previous: as of ``select_lowest``.
        k: at most as many as H leaves.
        least: by name; a row with fewer left keeps these. 0 of what has no rows.
    Returns, Raises:
        as ``select_lowest``: of equal scores the later stay.
    """
    digits = first_digits(weights, scorers, previous)
    if k == 0:
        return {name: _allowed(weights[name], previous, name) for name in weights}, 0.0
    in_rows = sum(least[name] * len(weight) for name, weight in weights.items() if least[name])
    start, limit, near = digits.around(k, k + in_rows)
    before: Mapping[str, Tensor] = previous or {}
    if near > MOST_NEAR * sum(weight.numel() for weight in weights.values()):
        return _select_beside_rows(weights, digits, k, before, least)
    parts = {
        name: _part(name, weight, digits, before.get(name), least[name], start, limit)
        for name, weight in weights.items()
    }
    missing = sum(part.kept for part in parts.values()) - (int(digits.counts.sum()) - k)
    scores = {name: part.scores for name, part in parts.items()}
    stay, threshold = select_lowest(scores, {n: given(s) for n, s in scores.items()}, missing)
    for name, part in parts.items():
        part.mask[part.places[~stay[name]]] = False
    return {name: part.mask.view(weights[name].shape) for name, part in parts.items()}, threshold


def _select_beside_rows(
    weights: Mapping[str, Tensor],
    digits: Digits,
    k: int,
    before: Mapping[str, Tensor],
    least: Mapping[str, int],
) -> Tuple[Dict[str, Tensor], float]:
    """The same, with H of all rows at hand, a bool for each weight: in more time, and in as little
    memory where scores are equal."""
    highest, others = {}, {}
    for name, weight in weights.items():
        of_rows = torch.zeros(weight.numel(), dtype=torch.bool, device=weight.device)
        for piece, scores, allowed in _pieces(name, weight, digits, before.get(name)):
            if least[name]:
                of_rows[piece] = _highest(scores, least[name], allowed).view(-1)
        highest[name] = of_rows.view(weight.shape)
        others[name] = ~highest[name]
        if name in before:
            others[name] &= before[name]
    masks, threshold = select_lowest(weights, digits.scorers, k, others)
    return {name: mask.logical_or_(highest[name]) for name, mask in masks.items()}, threshold


class _Part(NamedTuple):
    """Of a weight: what is kept so far, flat, and how many; and of that, what may go next."""

    mask: Tensor
    kept: int
    scores: Tensor
    places: Tensor


def _part(
    name: str,
    weight: Tensor,
    digits: Digits,
    previous: Optional[Tensor],
    least: int,
    start: float,
    limit: float,
) -> _Part:
    """All from ``start`` on and the highest of rows; up to ``limit``, others than these may go."""
    mask = torch.empty(weight.numel(), dtype=torch.bool, device=weight.device)
    scores_of: List[Tensor] = [torch.zeros(0, dtype=digits.kind.dtype, device=weight.device)]
    places: List[Tensor] = [torch.zeros(0, dtype=torch.int64, device=weight.device)]
    count = 0
    for piece, scores, allowed in _pieces(name, weight, digits, previous):
        kept = mask[piece].view(scores.shape)
        torch.ge(scores, start, out=kept)
        if allowed is not None:
            kept &= allowed
        needed = _needed(allowed, scores, least)
        of_each = _count(kept)
        # a row that has less has its highest among them
        count += int(torch.maximum(of_each, needed).sum())
        low, tight = _low_ones(scores, kept, of_each, limit, needed)
        if len(tight):
            highest = _highest_of(tight, scores, least, allowed)
            kept |= highest
            low = low[~highest.view(-1)[low]]
        scores_of.append(scores.view(-1)[low])
        places.append(low + piece.start)
    return _Part(mask, count, torch.cat(scores_of), torch.cat(places))


def _pieces(
    name: str, weight: Tensor, digits: Digits, previous: Optional[Tensor]
) -> Iterator[Tuple[slice, Tensor, Optional[Tensor]]]:
    """Some rows at a time: where they are in the flat weight, their scores, which of them are left
    (or None)."""
    length, size, flat = row_length(weight), piece_length(weight), weight.detach().reshape(-1)
    ranked = None if previous is None else previous.reshape(-1)
    for position in range(0, flat.numel(), size):
        piece = slice(position, position + size)
        scores = score_piece(digits.scorers[name], name, flat[piece], position)
        allowed = None if ranked is None else ranked[piece].view(-1, length)
        yield piece, scores.to(digits.kind.dtype).view(-1, length), allowed


def _allowed(weight: Tensor, previous: Optional[Mapping[str, Tensor]], name: str) -> Tensor:
    if previous is not None:
        return previous[name].clone()
    return torch.ones(weight.shape, dtype=torch.bool, device=weight.device)


def _low_ones(
    scores: Tensor, mask: Tensor, of_each: Tensor, limit: float, needed: Tensor
) -> Tuple[Tensor, Tensor]:
    """Flat places of what is kept up to ``limit``; the rows that have less than ``needed`` above.

    Where no row has more than it needs there are no such places.
    """
    if not bool((of_each > needed).any()):
        low = torch.zeros(0, dtype=torch.int64, device=mask.device)
        return low, (of_each < needed).nonzero().squeeze(1)
    low = (mask & (scores <= limit)).view(-1).nonzero().squeeze(1)
    rows = torch.div(low, mask.shape[1], rounding_mode="floor")
    tight = of_each - torch.bincount(rows, minlength=len(mask)) < needed
    return low, tight.nonzero().squeeze(1)


def count_rows(mask: Tensor, length: int) -> Tensor:
    """How many of each row of a flat mask; in pieces, a tenth of the time that it takes at once."""
    rows = mask.view(-1, length)
    return torch.cat([_count(piece) for piece in rows.split(max(1, CHUNK // length))])


def _count(mask: Tensor) -> Tensor:
    """Of each row; int32 takes a third of the time of int64."""
    return mask.sum(1, dtype=torch.int32)


def _needed(allowed: Optional[Tensor], scores: Tensor, least: int) -> Tensor:
    """How many each row is to keep, int32 as ``_count``."""
    if allowed is None:
        return torch.full((len(scores),), least, dtype=torch.int32, device=scores.device)
    return _count(allowed).clamp(max=least)


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
    and not below the lowest of these: a small part of a long row."""
    groups = -(-3 * k // 16) * 16  # maxima of whole vectors are found fastest
    in_group = scores.shape[1] // groups
    if in_group > 1:
        grouped = scores[:, : in_group * groups].view(len(scores), in_group, groups)
        best = grouped.amax(1).topk(k, dim=1, sorted=False)
        places = best.indices.unsqueeze(1).expand(-1, in_group, -1)
        candidates = [grouped.gather(2, places).flatten(1), scores[:, in_group * groups :]]
        scores = _from_on(torch.cat(candidates, dim=1), best.values.amin(1, keepdim=True))
    return scores.topk(k, dim=1, sorted=False).values.amin(1, keepdim=True)


def _from_on(scores: Tensor, least: Tensor) -> Tensor:
    """Of each row those that are not below its ``least``, [rows, as many as there are in any],
    filled up with -1."""
    chosen = scores >= least
    of_each = _count(chosen)
    width = int(of_each.max())
    found = scores.new_full((len(scores) * width,), -1.0)
    places = chosen.view(-1).nonzero().squeeze(1)
    rows = torch.div(places, scores.shape[1], rounding_mode="floor")
    # each goes behind those of its row that are found before
    shifts = torch.arange(0, len(found), width, device=found.device)
    shifts -= of_each.cumsum(0) - of_each
    found[torch.arange(len(places), device=found.device) + shifts[rows]] = scores.view(-1)[places]
    return found.view(-1, width)
