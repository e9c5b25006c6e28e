"""A claim of the study beside what came out.

Luyu Wang 2017, "Model Compression: Weights Pruning for RNNs" (slides).
"""

from typing import Iterable, NamedTuple


class Claim(NamedTuple):
    """A row of the table. ``found`` are the numbers that ``verdict`` follows from by
    ``criterion``."""

    number: str
    claim: str
    criterion: str
    found: str
    verdict: str


def verdict(held: Iterable[bool]) -> str:
    """Whether all, some or none of the cases of a claim came out so."""
    held = list(held)
    if not held:
        return "not tested"
    return "reproduced" if all(held) else "in part" if any(held) else "not reproduced"
