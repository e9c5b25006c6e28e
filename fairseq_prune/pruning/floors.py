"""Floors: a least density of each class and row, so that what is rare stays alive.

A score that knows the loss empties the rows of rare words, and an empty row cannot learn again.
"""

import math
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from ..errors import OPTION, OptionError
from .row_floors import count_rows, row_length, select_above_rows
from .score import Scorer
from .weight_classes import members


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

    def check(self) -> None:
        """Raise PruneError, naming the option, unless both are in [0, 1)."""
        for option, value in (("floor", self.of_class), ("row-floor", self.of_row)):
            if value is not None and not 0 <= value < 1:
                raise OptionError(
                    f"{OPTION}{option} {value:g} is outside [0, 1); it is the least fraction of "
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
    _Kept.of(weights, classes, floors, None).check(k)


def _least(weight: Tensor, floors: Floors) -> int:
    """How many weights of each row stay; a vector has no rows."""
    if weight.dim() < 2 or weight.numel() == 0:
        return 0
    assert floors.of_row is not None, "Floors.at says it"
    length = row_length(weight)
    return min(math.ceil(floors.of_row * length), math.floor(floors.most_of_row * length))


def _too_high(kept: int, total: int, k: int) -> OptionError:
    most = math.floor(1e4 * (1 - kept / total)) / 1e4
    return OptionError(
        f"the floors keep {kept:,} of {total:,} weights, {kept + k - total:,} more than the "
        f"sparsity leaves; lower {OPTION}floor and {OPTION}row-floor, or {OPTION}sparsity to "
        f"{most:g}"
    )


def select_above_floors(
    weights: Mapping[str, Tensor],
    scorers: Mapping[str, Scorer],
    k: int,
    previous: Optional[Mapping[str, Tensor]],
    classes: Mapping[str, str],
    floors: Floors,
) -> Tuple[Dict[str, Tensor], float]:
    """Masks that prune exactly the ``k`` lowest scores of those that no floor protects.

    Each row keeps its highest ceil(of_row n) scores; then each class its highest, those of the
    rows counted in, until it has ceil(of_class n). That is the mask with the largest sum of
    scores among those that keep to the floors: rows lie within classes. What ``previous`` pruned
    already stays so, and a row or class that has less than its floor left keeps all of it.

    The floors of classes are left aside first. Classes that end below theirs give less, others
    more instead: then the threshold rises, so that those stay below it, and prune what takes them
    down to their floors, each by itself. That is gone on with until none of the rest is below.

    Args:
        weights, scorers, k, previous: as of ``select_lowest``.
        classes: the weight class of each.
    Raises:
        PruneError: the floors protect too much for ``k`` to go.
    """
    least, left, needed, own = kept = _Kept.of(weights, classes, floors, previous)
    kept.check(k)
    rest, masks = dict(weights), {}
    while True:
        chosen, threshold = select_above_rows(rest, scorers, k, previous, least)
        masks.update(chosen)
        below = [
            c
            for c, names in own.items()
            if names[0] in rest
            and sum(int(torch.count_nonzero(chosen[name])) for name in names) < needed[c]
        ]
        if not below:
            return {name: masks[name] for name in weights}, threshold
        for c in below:
            of_class = {name: rest.pop(name) for name in own[c]}
            to_prune = sum(left[name] for name in own[c]) - needed[c]
            masks.update(select_above_rows(of_class, scorers, to_prune, previous, least)[0])
            k -= to_prune


class _Kept(NamedTuple):
    """What floors ask for.

    Attributes:
        least: weights that stay of each row of a weight.
        left: weights of each that are ranked.
        needed: of each class, how many stay.
        own: the weights of each class.
    """

    least: Dict[str, int]
    left: Dict[str, int]
    needed: Dict[str, int]
    own: Dict[str, List[str]]

    @classmethod
    def of(cls, weights, classes, floors: Floors, previous) -> "_Kept":
        least = {name: _least(weight, floors) for name, weight in weights.items()}
        left = {
            name: weight.numel() if previous is None else int(torch.count_nonzero(previous[name]))
            for name, weight in weights.items()
        }
        own = members({name: classes[name] for name in weights})
        needed = {
            c: _needed(weights, names, previous, left, least, floors) for c, names in own.items()
        }
        return cls(least, left, needed, own)

    def check(self, k: int) -> None:
        """Raise PruneError where ``k`` cannot go."""
        total, kept = sum(self.left.values()), sum(self.needed.values())
        if k > total - kept:
            raise _too_high(kept, total, k)


def _needed(weights, names: List[str], previous, left, least, floors: Floors) -> int:
    """How many weights of a class its rows and itself keep; of those that are left."""
    in_rows = 0
    for name in names:
        if not least[name]:  # what has no rows, a scalar too
            continue
        if previous is not None:
            of_each = count_rows(previous[name].reshape(-1), row_length(weights[name]))
            in_rows += int(of_each.clamp(max=least[name]).sum())
        else:
            in_rows += least[name] * len(weights[name])
    size = sum(weights[name].numel() for name in names)
    of_class = min(math.ceil(floors.of_class * size), sum(left[name] for name in names))
    return max(in_rows, of_class)
