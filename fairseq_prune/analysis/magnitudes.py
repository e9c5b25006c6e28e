"""Distributions of magnitude by class, and where each scheme cuts (section 3.3, Figure 5)."""

import math
from typing import Any, Dict, List, Mapping, Optional

import torch
from torch import Tensor

from ..pruning import SCHEMES, members, prune
from ..pruning.magnitude import standard_deviation
from ..pruning.selection import CHUNK

#: Bins of the histograms, equally wide in log10 of the magnitude.
BINS = 120


def magnitudes(
    weights: Mapping[str, Tensor], classes: Mapping[str, str], sparsity: Optional[float]
) -> Dict[str, Any]:
    """Histograms of |w| of each class, and the threshold of each scheme in each class.

    Args:
        weights: parameters by name.
        classes: the weight class of each.
        sparsity: what the schemes prune to; None where the weights are pruned already.
    Returns:
        "edges": BINS + 1 magnitudes between the smallest and the largest; "classes": rows
        with "class", "weights", "mean", "sigma" (standard deviation), "largest", "counts" (of
        each bin) and "zeros" (not in any bin); "thresholds": scheme -> class -> the largest
        pruned magnitude at ``sparsity``. class-distribution's is the common cut times sigma.
    """
    by_class = members({name: classes[name] for name in weights})
    low, high = _range(weights.values())
    edges = torch.logspace(math.log10(low), math.log10(high), BINS + 1, dtype=torch.float64)
    rows = []
    for name, parameters in by_class.items():
        rows.append(_describe(name, [weights[p] for p in parameters], edges))
    return {
        "edges": edges.tolist(),
        "classes": rows,
        "thresholds": {
            scheme: _thresholds(weights, classes, scheme, sparsity)
            for scheme in (() if sparsity is None else SCHEMES)
        },
    }


def _thresholds(weights, classes, scheme: str, sparsity: float) -> Dict[str, float]:
    result = prune(weights, classes, scheme, sparsity)
    return {c.name: c.largest_pruned or 0.0 for c in result.classes}


def _describe(name: str, weights: List[Tensor], edges: Tensor) -> Dict[str, Any]:
    counts = torch.zeros(BINS, dtype=torch.int64)
    total, zeros, count, largest = 0.0, 0, 0, 0.0
    inner = edges[1:-1].float()
    for size in _sizes(weights):
        count += size.numel()
        total += float(size.sum(dtype=torch.float64))
        largest = max(largest, float(size.max()))
        positive = size[size > 0]
        zeros += size.numel() - positive.numel()
        counts += torch.bincount(torch.bucketize(positive, inner, right=True), minlength=BINS)
    return {
        "class": name,
        "weights": count,
        "mean": total / count if count else 0.0,
        "sigma": standard_deviation(weights),
        "largest": largest,
        "zeros": zeros,
        "counts": counts.tolist(),
    }


def _range(weights) -> tuple:
    low, high = float("inf"), 0.0
    for size in _sizes(weights):
        positive = size[size > 0]
        if positive.numel():
            low, high = min(low, float(positive.min())), max(high, float(positive.max()))
    if high == 0.0:
        return 1e-6, 1.0
    # four decades show all there is to see; what is smaller is in the first bin
    return max(low, high * 1e-4), high if high > low else high * 2


def _sizes(weights):
    for weight in weights:
        for piece in weight.detach().reshape(-1).split(CHUNK):
            if piece.numel():
                yield piece.abs().float()
