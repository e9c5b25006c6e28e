"""The lowest scores that no floor protects."""

from typing import Dict, Mapping, Optional, Tuple

import torch
from torch import Tensor

from .floors import Floors, Kept
from .row_floors import select_above_rows
from .score import Scorer


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
    least, left, needed, own = kept = Kept.of(weights, classes, floors, previous)
    kept.check(k)
    rest, masks = dict(weights), {}
    while True:
        chosen, threshold = select_above_rows(rest, scorers, k, previous, least)
        masks.update(chosen)
        below = [
            c
            for c, names in own.items()
            if floors.of_class
            and names[0] in rest
            and sum(int(torch.count_nonzero(chosen[name])) for name in names) < needed[c]
        ]
        if not below:
            return {name: masks[name] for name in weights}, threshold
        for c in below:
            of_class = {name: rest.pop(name) for name in own[c]}
            to_prune = sum(left[name] for name in own[c]) - needed[c]
            masks.update(select_above_rows(of_class, scorers, to_prune, previous, least)[0])
            k -= to_prune
