"""Floors: a least density of each class and row, so that what is rare stays alive.

A score that knows the loss empties the rows of rare words, and an empty row cannot learn again.
"""

import math
from typing import Dict, Mapping, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from .errors import PruneError
from .schemes import Cut
from .score import Scorer, score_piece, without_signs
from .selection import CHUNK, not_finite, select_lowest


class Floors(NamedTuple):
    """Densities, in [0, 1), that no pruning goes below.

    Attributes:
        of_class: of each weight class.
        of_row: of each row of each matrix: an output unit; in an embedding, a word. None: what is
            usual for the score (``Score.row_share``).
        most_of_row: what no floor of rows comes to: the density that is left, where the floor is
            the usual one, so that it never stands in the way of the sparsity that was asked for.
    """

    of_class: float = 0.0
    of_row: Optional[float] = None
    most_of_row: float = 1.0

    def check(self, flags: str = "--prune-") -> None:
        """Raise PruneError, naming the option, unless both are in [0, 1)."""
        for option, value in (("floor", self.of_class), ("row-floor", self.of_row)):
            if value is not None and not 0 <= value < 1:
                raise PruneError(
                    f"{flags}{option} {value:g} is outside [0, 1); it is the least fraction of "
                    f"weights to keep, e.g. 0.01"
                )

    @property
    def are_asked(self) -> bool:
        """Whether the user asked for any."""
        return bool(self.of_class or self.of_row)

    def at(self, sparsity: float, row_share: float) -> "Floors":
        """With that of rows known, where ``row_share`` of the density is usual."""
        if self.of_row is not None:
            return self
        return self._replace(of_row=row_share * (1 - sparsity), most_of_row=1 - sparsity)


#: What is usual for the score.
USUAL_FLOORS = Floors()
NO_FLOORS = Floors(0.0, 0.0)


def check_floors(
    weights: Mapping[str, Tensor], classes: Mapping[str, str], floors: Floors, k: int
) -> None:
    """Raise PruneError where the floors of ``weights`` do not let ``k`` of them go."""
    total = kept = 0
    for weight_class in dict.fromkeys(classes[name] for name in weights):
        own = [weights[name] for name in weights if classes[name] == weight_class]
        size = sum(weight.numel() for weight in own)
        in_rows = sum(_least(weight, floors) * len(weight) for weight in own)
        kept += max(in_rows, math.ceil(floors.of_class * size))
        total += size
    if k > total - kept:
        raise _too_high(kept, total, k)


def _least(weight: Tensor, floors: Floors) -> int:
    """How many weights of each row stay; a vector has no rows."""
    if weight.dim() < 2 or weight.numel() == 0:
        return 0
    length = weight.numel() // len(weight)
    return min(math.ceil(floors.of_row * length), math.floor(floors.most_of_row * length))


def _too_high(kept: int, total: int, k: int) -> PruneError:
    most = math.floor(1e4 * (1 - kept / total)) / 1e4
    return PruneError(
        f"the floors keep {kept:,} of {total:,} weights, {kept + k - total:,} more than the "
        f"sparsity leaves; lower the floors (floor, row-floor), or the sparsity to {most:g}"
    )


def select_above_floors(
    weights: Mapping[str, Tensor],
    scorers: Mapping[str, Scorer],
    k: int,
    among: Optional[Mapping[str, Tensor]],
    classes: Mapping[str, str],
    floors: Floors,
    cut: Cut = select_lowest,
) -> Tuple[Dict[str, Tensor], float]:
    """Masks that prune exactly the ``k`` lowest scores of those that no floor protects.

    Each row keeps its highest ceil(of_row n) scores; then each class its highest, those of the
    rows counted in, until it has ceil(of_class n). That is the mask with the largest sum of
    scores among those that keep to the floors: rows lie within classes. What ``among`` pruned
    already stays so, and a row or class that has less than its floor left keeps all of it.

    Args:
        weights, scorers, k, among: as of ``select_lowest``.
        classes: the weight class of each.
        cut: what selects in the end.
    Raises:
        PruneError: the floors protect too much for ``k`` to go.
    """
    scorers = without_signs(scorers)
    protected = {
        name: _protected_rows(name, weight, scorers[name], among and among[name], floors)
        for name, weight in weights.items()
    }
    if floors.of_class:
        for weight_class in dict.fromkeys(classes[name] for name in weights):
            names = [name for name in weights if classes[name] == weight_class]
            _protect_class(names, weights, scorers, among, protected, floors.of_class)
    open_to_pruning = {
        name: ~guarded if among is None else among[name] & ~guarded
        for name, guarded in protected.items()
    }
    most = sum(int(mask.sum()) for mask in open_to_pruning.values())
    if k > most:
        # of those that are left
        total = sum(w.numel() if among is None else int(among[n].sum()) for n, w in weights.items())
        raise _too_high(total - most, total, k)
    masks, threshold = cut(weights, scorers, k, open_to_pruning)
    return {name: mask | protected[name] for name, mask in masks.items()}, threshold


def _protect_class(names, weights, scorers, among, protected, floor: float) -> None:
    """Add to ``protected``, in place, the highest scores of a class until it has its floor."""
    free = {
        name: ~protected[name] if among is None else among[name] & ~protected[name]
        for name in names
    }
    size = sum(weights[name].numel() for name in names)
    have = sum(int(protected[name].sum()) for name in names)
    there = sum(int(mask.sum()) for mask in free.values())
    missing = min(math.ceil(floor * size) - have, there)
    if missing <= 0:
        return
    ranked = {name: weights[name] for name in names}
    kept, _ = select_lowest(ranked, scorers, there - missing, free)
    for name in names:
        protected[name] |= kept[name]


def _protected_rows(
    name: str, weight: Tensor, scorer: Scorer, among: Optional[Tensor], floors: Floors
) -> Tensor:
    """Bool, shaped like the weight: the highest ``_least`` scores of each row.

    Of equal scores the later are kept, as everywhere. A vector has no rows.
    """
    protected = torch.zeros(weight.shape, dtype=torch.bool, device=weight.device)
    least = _least(weight, floors)
    if least == 0:
        return protected
    length = weight.numel() // len(weight)
    flat, size = weight.detach().reshape(-1), max(1, CHUNK // length) * length
    for start in range(0, flat.numel(), size):
        piece = slice(start, start + size)
        scores = score_piece(scorer, name, flat[piece], start).view(-1, length)
        if not bool(torch.isfinite(scores.sum(dtype=torch.float64))):
            raise not_finite(name, weight)
        if among is not None:
            allowed = among.reshape(-1)[piece].view(-1, length)
            scores = scores.masked_fill(~allowed, -1.0)
        last = scores.kthvalue(length - least + 1, dim=1, keepdim=True).values
        above, tied = scores > last, scores == last
        rest = least - above.sum(1, keepdim=True)
        from_the_end = tied.flip(1).cumsum(1).flip(1)
        kept = above | (tied & (from_the_end <= rest))
        if among is not None:
            kept &= allowed
        protected.view(-1)[piece] = kept.view(-1)
    return protected
