"""How a size is folded into modes, beside trying all ways."""

from itertools import product
from math import prod

import pytest

from fairseq_prune.factorization.modes import modes


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 7, 12, 103, 200, 331])
def test_beside_all_ways(size, count):
    found = modes(size, count)
    assert len(found) == count and prod(found) >= size
    ways = [w for w in product(range(1, size + 1), repeat=min(count, 2)) if prod(w) >= size]
    if count == 3:
        ways = {(a, b, -(-size // (a * b))) for a, b in product(range(1, 40), repeat=2)}
    if count > 1:
        shortest = min(map(sum, ways))
        close = [w for w in ways if sum(w) <= 1.1 * shortest]
        assert sum(found) <= 1.1 * shortest
        assert prod(found) == min(map(prod, close))


def test_sizes_of_language_models():
    assert modes(800, 3) == (8, 10, 10)
    assert prod(modes(10002, 3)) == 10005
    assert modes(2600, 3) == (10, 13, 20)
