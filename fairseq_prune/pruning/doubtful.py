"""The scores around the threshold of a selection: which of them go."""

from typing import List, Tuple

import torch
from torch import Tensor

from ..errors import PruneError


class Doubtful:
    """The scores that share the threshold's digits, of which some are to go."""

    def __init__(self, count: int, integer: torch.dtype):
        """
        Args:
            count: how many there will be.
            integer: of their bit patterns.
        """
        # in one piece each: small ones that stay would split the room of what is freed around them
        self._places = torch.empty(count, dtype=torch.int64)
        self._bits = torch.empty(count, dtype=integer)
        self._pieces: List[Tuple[Tensor, int, int]] = []  # mask, position of the piece, count
        self._count = 0

    def add(self, mask: Tensor, start: int, tied: Tensor, bits: Tensor) -> None:
        """Those of a piece of ``mask``, at ``start``, that are ``tied``; ``bits``: of the piece."""
        places = tied.nonzero().view(-1)
        begin, self._count = self._count, self._count + places.numel()
        check_as_counted(self._count <= self._bits.numel())
        self._places[begin : self._count] = places
        self._bits[begin : self._count] = bits[places]
        self._pieces.append((mask, start, places.numel()))

    def decide_(self, prune: int) -> int:
        """Keep all but the ``prune`` lowest (1 or more), of equal ones the later; bits of the
        largest that is pruned."""
        check_as_counted(self._count == self._bits.numel())
        threshold = torch.kthvalue(self._bits, prune).values
        stay = self._bits > threshold
        lower = int((self._bits < threshold).sum())
        spare_later_ties_(stay, self._bits == threshold, prune - lower)
        counts = [count for _, _, count in self._pieces]
        parts = zip(self._pieces, self._places.split(counts), stay.split(counts))
        for (mask, start, _), places, part in parts:
            mask[(start + places).to(mask.device)] = part.to(mask.device)
        return int(threshold)


def check_as_counted(as_counted: bool) -> None:
    """Raise PruneError unless scores are ``as_counted`` when they were asked for before."""
    if not as_counted:
        raise PruneError(
            "the scores are others when they are asked for again; a score is to give the same "
            "numbers for the same piece of a weight"
        )


def spare_later_ties_(keep: Tensor, tied: Tensor, budget: int) -> int:
    """Keep all but the first ``budget`` of the tied positions; return how many went."""
    ties = int(tied.sum())
    if ties > budget:
        keep |= tied & (tied.cumsum(0) > budget)
    return min(ties, budget)
