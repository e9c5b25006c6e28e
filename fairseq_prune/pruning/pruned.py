"""What a pruning did: its masks, what they were chosen by, and a summary of each weight class."""

from dataclasses import dataclass, field
from typing import Dict, Iterable, Optional, Tuple

import torch
from torch import Tensor

from .mask import zero_pruned_
from .pieces import CHUNK


@dataclass(frozen=True)
class ClassSummary:
    """What pruning did to one weight class. Magnitudes are of the weights before it.

    Attributes:
        name: of the class.
        weights: how many it has.
        pruned: how many of them are pruned.
        mean_magnitude: of all.
        largest_pruned: the largest magnitude that is pruned; None where nothing is.
        largest: the largest magnitude.
    """

    name: str
    weights: int
    pruned: int
    mean_magnitude: float
    largest_pruned: Optional[float]
    largest: float

    @property
    def sparsity(self) -> float:
        return self.pruned / self.weights if self.weights else 0.0


@dataclass(frozen=True)
class Pruned:
    """Masks, and what they were chosen by.

    Attributes:
        scheme, score: as they were asked for.
        masks: by name, bool and shaped like the weight; True is kept.
        threshold: the largest pruned score of each ranking, by weight class ("": the only one).
        classes: what pruning did to each.
        updated: new values of weights whose survivors make up for what is pruned; else empty.
    """

    scheme: str
    score: str
    masks: Dict[str, Tensor]
    threshold: Dict[str, float]
    classes: Tuple[ClassSummary, ...]
    updated: Dict[str, Tensor] = field(default_factory=dict)

    @property
    def weights(self) -> int:
        return sum(c.weights for c in self.classes)

    @property
    def pruned(self) -> int:
        return sum(c.pruned for c in self.classes)

    @property
    def sparsity(self) -> float:
        return self.pruned / self.weights if self.weights else 0.0


def summarize(name: str, pairs: Iterable[Tuple[Tensor, Tensor]]) -> ClassSummary:
    """What a pruning does to the class ``name``.

    Args:
        pairs: its weights, before it, and their masks.
    """
    count = pruned = 0
    total = largest = 0.0
    largest_pruned = 0.0
    for weight, mask in pairs:
        if weight.numel() == 0:
            continue
        flat, kept = weight.detach().reshape(-1), mask.reshape(-1)
        for piece, keep in zip(flat.split(CHUNK), kept.split(CHUNK)):
            size = piece.abs().to(torch.promote_types(piece.dtype, torch.float32))
            count += size.numel()
            pruned += size.numel() - int(torch.count_nonzero(keep))
            total += float(size.sum())
            largest = max(largest, float(size.max()))
            # 0 in place of the kept: below no magnitude that could be the largest
            zero_pruned_(size, keep.to(torch.int8).sub_(1))
            largest_pruned = max(largest_pruned, float(size.max()))
    return ClassSummary(
        name=name,
        weights=count,
        pruned=pruned,
        mean_magnitude=total / count if count else 0.0,
        largest_pruned=largest_pruned if pruned else None,
        largest=largest,
    )
