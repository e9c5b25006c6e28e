"""Floors: a least density of each class and row, so that what is rare stays alive.

A score that knows the loss empties the rows of rare words, and an empty row cannot learn again.
"""

import math
from fractions import Fraction
from typing import Dict, List, Mapping, NamedTuple, Optional

import torch
from torch import Tensor

from ..errors import OPTION, OptionError
from .pieces import row_length
from .row_floors import count_rows
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

    @property
    def rows_are_asked(self) -> bool:
        """Whether the floor of rows is the user's own, and not the usual one."""
        return bool(self.of_row) and self.most_of_row == 1

    def at(self, sparsity: float, row_share: float) -> "Floors":
        """With that of rows known, where ``row_share`` of the density is usual."""
        if self.of_row is not None:
            return self
        left = 1 - exact(sparsity)
        return self._replace(of_row=float(exact(row_share) * left), most_of_row=float(left))


#: What is usual for the score.
USUAL_FLOORS = Floors()
NO_FLOORS = Floors(0.0, 0.0)


def check_floors(
    ranking: str,
    weights: Mapping[str, Tensor],
    classes: Mapping[str, str],
    floors: Floors,
    k: int,
    previous: Optional[Mapping[str, Tensor]],
) -> None:
    """Raise PruneError where the floors of ``weights`` do not let ``k`` of them go.

    Or where ``previous`` has left less already than the user asks for; of a row that it emptied
    nothing is left to keep alive.

    Args:
        ranking: what the weights are, in words; "": all of the model.
    """
    kept = Kept.of(weights, classes, floors, None)
    kept.check(k, ranking)
    if previous is None:
        return
    for weight_class, names in kept.own.items():
        size = sum(weights[name].numel() for name in names)
        left = sum(int(torch.count_nonzero(previous[name])) for name in names)
        if left < at_least(floors.of_class, size):
            raise _too_low(f"{weight_class} has {left:,} of {size:,} weights", "floor", left / size)
    for name, least in kept.least.items() if floors.rows_are_asked else ():
        if least:
            length = row_length(weights[name])
            of_each = count_rows(previous[name].reshape(-1), length)
            low = of_each[(of_each > 0) & (of_each < least)]
            if len(low):
                raise _too_low(
                    f"{name} has {len(low):,} rows of {len(of_each):,} with as few as "
                    f"{int(low.min())} of {length} weights",
                    "row-floor",
                    int(low.min()) / length,
                )


def _too_low(what: str, option: str, density: float) -> OptionError:
    return OptionError(
        f"{what} left by an earlier pruning, less than {OPTION}{option} asks for, and what is "
        f"pruned stays pruned; lower it to {math.floor(1e4 * density) / 1e4:g}, or prune a denser "
        f"checkpoint"
    )


def _least(weight: Tensor, floors: Floors) -> int:
    """How many weights of each row stay; a vector has no rows."""
    if weight.dim() < 2 or weight.numel() == 0:
        return 0
    assert floors.of_row is not None, "Floors.at says it"
    length = row_length(weight)
    most = math.floor(exact(floors.most_of_row) * length)
    return min(at_least(floors.of_row, length), most)


def at_least(density: float, count: int) -> int:
    """How many of ``count`` keep to the density: 7 of 100 to 0.07."""
    return math.ceil(exact(density) * count)


def exact(number: float) -> Fraction:
    """As it is written: as floats, 0.07 * 100 is more than 7, and 1 - 0.9 is less than 0.1."""
    return Fraction(str(float(number)))


def _too_high(kept: int, total: int, k: int, ranking: str) -> OptionError:
    of = f" of {ranking}" if ranking else ""
    most = math.floor(1e4 * (1 - kept / total)) / 1e4
    return OptionError(
        f"the floors keep {kept:,} of {total:,} weights{of}, {kept + k - total:,} more than the "
        f"sparsity leaves; lower {OPTION}floor and {OPTION}row-floor, or {OPTION}sparsity to "
        f"{most:g}"
    )


class Kept(NamedTuple):
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
    def of(cls, weights, classes, floors: Floors, previous) -> "Kept":
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

    def check(self, k: int, ranking: str = "") -> None:
        """Raise PruneError where ``k`` cannot go; of all weights, or of ``ranking``."""
        total, kept = sum(self.left.values()), sum(self.needed.values())
        if k > total - kept:
            raise _too_high(kept, total, k, ranking)


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
    of_class = min(at_least(floors.of_class, size), sum(left[name] for name in names))
    return max(in_rows, of_class)
