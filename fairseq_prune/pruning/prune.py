"""Pruning to a sparsity: from weights and their classes to masks."""

from dataclasses import dataclass
from typing import Dict, Mapping, Optional, Tuple

import torch
from torch import Tensor

from .errors import PruneError
from .mask import zero_pruned_
from .schemes import check_request, find_scheme
from .selection import CHUNK
from .weight_classes import members

#: What weights may be.
RANKED = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class ClassSummary:
    """What pruning did to one weight class. Magnitudes are of the weights before it."""

    name: str
    weights: int
    pruned: int
    mean_magnitude: float
    largest_pruned: Optional[float]  # None where nothing was pruned
    largest: float

    @property
    def sparsity(self) -> float:
        return self.pruned / self.weights if self.weights else 0.0


@dataclass(frozen=True)
class Pruned:
    """Masks, and what they were chosen by."""

    scheme: str
    masks: Dict[str, Tensor]
    threshold: Dict[str, float]  # largest pruned score of each ranking ("" = the only one)
    classes: Tuple[ClassSummary, ...]

    @property
    def weights(self) -> int:
        return sum(c.weights for c in self.classes)

    @property
    def pruned(self) -> int:
        return sum(c.pruned for c in self.classes)

    @property
    def sparsity(self) -> float:
        return self.pruned / self.weights if self.weights else 0.0


def prune(
    weights: Mapping[str, Tensor],
    classes: Mapping[str, str],
    scheme: str,
    sparsity: float,
    previous: Optional[Mapping[str, Tensor]] = None,
) -> Pruned:
    """Choose the weights to prune. Nothing is changed; ``mask.apply_`` does that.

    Args:
        weights: prunable parameters by name, each memory once (``find_prunable``).
        classes: the weight class of each (``classify``).
        scheme: a key of ``SCHEMES``, or a pattern n:m.
        sparsity: x in [0, 1). Of the N weights of a ranking exactly round(x N) are pruned.
        previous: masks of an earlier pruning. What is pruned there stays pruned, and counts.
    Raises:
        PruneError: unknown scheme, sparsity out of range or below that of ``previous``,
            masks of other parameters, nothing to prune, weights that are NaN or infinite, or
            not dense or of another type than ``RANKED``, or what ``select_n_of_m`` refuses.
    """
    check_request(scheme, sparsity)
    if not weights:
        raise PruneError("there is nothing to prune: the model has no prunable weight matrices")
    _check_types(weights)
    how = find_scheme(scheme)
    by_class = members({name: classes[name] for name in weights})
    scorers, rankings = {}, {}
    for weight_class, names in by_class.items():
        scorer = how.score([weights[name] for name in names])
        scorers.update((name, scorer) for name in names)
        rankings.setdefault(how.scope(weight_class), set()).update(names)

    _check_previous(previous, weights)
    masks: Dict[str, Tensor] = {}
    threshold: Dict[str, float] = {}
    for ranking, names in rankings.items():
        ranked = {name: weight for name, weight in weights.items() if name in names}
        total = sum(weight.numel() for weight in ranked.values())
        k = round(sparsity * total)
        if previous:
            pruned = sum(int((~previous[name]).sum()) for name in ranked)
            if pruned > k:
                raise PruneError(
                    f"sparsity {sparsity:g} is below what {ranking or 'the model'} is pruned to "
                    f"already ({pruned / total:.4g}); pruned weights stay pruned, so ask for more"
                )
            k -= pruned
        chosen, threshold[ranking] = how.cut(ranked, scorers, k, previous or None)
        masks.update(chosen)
    masks = {name: masks[name] for name in weights}
    summaries = (
        _summarize(weight_class, [(weights[name], masks[name]) for name in names])
        for weight_class, names in by_class.items()
    )
    return Pruned(scheme, masks, threshold, tuple(summaries))


def _check_types(weights: Mapping[str, Tensor]) -> None:
    for name, weight in weights.items():
        kind = weight.dtype if weight.layout == torch.strided else weight.layout
        if kind not in RANKED:
            raise PruneError(
                f"{name} is {kind}, which cannot be ranked; make it dense and of float32, float16 "
                f"or bfloat16"
            )


def _check_previous(previous, weights) -> None:
    if not previous:
        return
    odd = sorted(set(previous) ^ set(weights))
    if odd:
        raise PruneError(
            f"{odd[0]} is pruned by the earlier mask or by this one, not by both; include and "
            f"exclude what the earlier pruning did"
        )


def _summarize(name: str, pairs) -> ClassSummary:
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
