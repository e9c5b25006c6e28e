"""The sizes of a tensor that a matrix is folded into."""

from itertools import combinations_with_replacement
from math import prod
from typing import List, Tuple

#: How much longer than the shortest a folding may be, if that wastes less.
SLACK = 1.1


def modes(size: int, count: int) -> Tuple[int, ...]:
    """``count`` factors, of about one size, whose product is ``size`` or little above it.

    A tensor train has the fewer parameters the smaller the sum of its modes. Of those whose
    sum is within 10% of the smallest, the one with the smallest product: 800 is 8 x 10 x 10,
    10,002 becomes 10,005 = 15 x 23 x 29.
    """
    if count == 1 or size <= 1:
        return (1,) * (count - 1) + (size,)
    root = size ** (1 / count)
    largest = max(2, int(2 * root) + 1)
    candidates: List[Tuple[int, ...]] = []
    for first in combinations_with_replacement(range(1, largest + 1), count - 1):
        last = -(-size // prod(first))
        if last >= first[-1]:
            candidates.append((*first, last))
    shortest = min(map(sum, candidates))
    return min(
        (m for m in candidates if sum(m) <= SLACK * shortest), key=lambda m: (prod(m), sum(m), m)
    )
