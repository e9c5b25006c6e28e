"""Distributions of scores by class, and where each scheme cuts (section 3.3, Figure 5)."""

import math
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

import torch
from torch import Tensor

from ..pruning import SCHEMES, Scorer, find_scheme, members
from ..pruning.magnitude import standard_deviation
from ..pruning.pieces import CHUNK
from .ranking import BY_MAGNITUDE, Ranking

#: Bins of the histograms, equally wide in log10 of the score.
BINS = 120

#: Of weights.
Scored = List[Tuple[Tensor, Scorer]]


def distributions(
    weights: Mapping[str, Tensor],
    classes: Mapping[str, str],
    sparsity: Optional[float],
    ranking: Ranking = BY_MAGNITUDE,
) -> Dict[str, Any]:
    """Histograms of the scores of each class, and the threshold of each scheme in each class.

    Args:
        weights: parameters by name.
        classes: the weight class of each.
        sparsity: what the schemes prune to; None where the weights are pruned already.
        ranking: whose scores; by default |w|.
    Returns:
        "score"; "edges": BINS + 1 scores between the smallest and the largest; "classes": rows
        with "class", "weights", "mean", "sigma" (standard deviation of the weights), "largest",
        "counts" (of each bin) and "zeros" (not in any bin); "thresholds": scheme -> class -> the
        largest pruned score at ``sparsity``. Of magnitudes, class-distribution's is the common
        cut times sigma; beside other scores, schemes with one of their own have none.
    Raises:
        PruneError: as ``Ranking.prune``.
    """
    thresholds = {
        scheme: _thresholds(weights, classes, scheme, sparsity, ranking)
        for scheme in SCHEMES
        if sparsity is not None
        and (ranking.name == "magnitude" or find_scheme(scheme).own_score is None)
    }
    scorers = ranking.scorers(weights, classes)
    by_class: Dict[str, Scored] = {
        name: [(weights[p], scorers[p]) for p in parameters]
        for name, parameters in members({name: classes[name] for name in weights}).items()
    }
    low, high = _range(pair for scored in by_class.values() for pair in scored)
    edges = torch.logspace(math.log10(low), math.log10(high), BINS + 1, dtype=torch.float64)
    return {
        "score": ranking.name,
        "edges": edges.tolist(),
        "classes": [_describe(name, scored, edges) for name, scored in by_class.items()],
        "thresholds": thresholds,
    }


def _thresholds(
    weights, classes, scheme: str, sparsity: float, ranking: Ranking
) -> Dict[str, float]:
    result = ranking.prune(weights, classes, scheme, sparsity)
    if ranking.name == "magnitude":
        return {c.name: c.largest_pruned or 0.0 for c in result.classes}
    scope = find_scheme(scheme).scope
    return {c.name: result.threshold[scope(c.name)] for c in result.classes}


def _describe(name: str, scored: Scored, edges: Tensor) -> Dict[str, Any]:
    counts = torch.zeros(BINS, dtype=torch.int64)
    total, zeros, count, largest = 0.0, 0, 0, 0.0
    inner = edges[1:-1].float()
    for scores in _scores(scored):
        count += scores.numel()
        total += float(scores.sum(dtype=torch.float64))
        largest = max(largest, float(scores.max()))
        positive = scores[scores > 0]
        zeros += scores.numel() - positive.numel()
        counts += torch.bincount(torch.bucketize(positive, inner, right=True), minlength=BINS)
    return {
        "class": name,
        "weights": count,
        "mean": total / count if count else 0.0,
        "sigma": standard_deviation([weight for weight, _ in scored]),
        "largest": largest,
        "zeros": zeros,
        "counts": counts.tolist(),
    }


def _range(scored: Iterable[Tuple[Tensor, Scorer]]) -> Tuple[float, float]:
    low, high = float("inf"), 0.0
    for scores in _scores(scored):
        positive = scores[scores > 0]
        if positive.numel():
            low, high = min(low, float(positive.min())), max(high, float(positive.max()))
    if high == 0.0:
        return 1e-6, 1.0
    # four decades show all there is to see; what is smaller is in the first bin
    return max(low, high * 1e-4), high if high > low else high * 2


def _scores(scored: Iterable[Tuple[Tensor, Scorer]]) -> Iterator[Tensor]:
    for weight, scorer in scored:
        flat = weight.detach().reshape(-1)
        for start in range(0, flat.numel(), CHUNK):
            yield scorer(flat[start : start + CHUNK], start).float()
