"""Pruning to a sparsity: from weights and their classes to masks."""

from typing import Dict, Mapping, Optional, Set

import torch
from torch import Tensor

from ..errors import OPTION, OptionError, PruneError
from .above_floors import select_above_floors
from .floors import NO_FLOORS, USUAL_FLOORS, Floors, check_floors
from .memory import told_of_memory
from .pruned import Pruned, summarize
from .schemes import Scheme, check_request, find_scheme, score_name
from .score import Inputs, Score, make_scorers, updated_weights
from .scores import find_score
from .selection import select_lowest
from .weight_classes import members

#: What weights may be.
RANKED = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


@told_of_memory("choosing weights")
def prune(
    weights: Mapping[str, Tensor],
    classes: Mapping[str, str],
    scheme: str,
    sparsity: float,
    previous: Optional[Mapping[str, Tensor]] = None,
    score: Optional[str] = None,
    floors: Floors = USUAL_FLOORS,
    statistics: Optional[Mapping[str, Tensor]] = None,
    on_the_way: bool = False,
) -> Pruned:
    """Choose the weights to prune. Nothing is changed; ``mask.apply_`` does that.

    Args:
        weights: prunable parameters by name, each memory once (``find_prunable``).
        classes: the weight class of each (``classify``).
        scheme: a key of ``SCHEMES``, or a pattern n:m.
        sparsity: x in [0, 1). Of the N weights of a ranking exactly round(x N) are pruned, but
            where ``previous`` pruned more by as much as rounding each class by itself can: then
            no more are.
        previous: masks of an earlier pruning. What is pruned there stays pruned, and counts.
        score: a key of ``SCORES``, with its options (``find_score``); None: what the scheme
            usually ranks by.
        floors: densities that no class and no row goes below; schemes that do not prune the
            lowest scores of all, but cut in a way of their own (n:m), have none.
        statistics: what data said of the weights, if the score needs it.
        on_the_way: a ranking that ``previous`` pruned further already stays as it is, since more
            is to follow (``check_reachable``).
    Raises:
        PruneError: unknown scheme or score, sparsity out of range or below that of ``previous``,
            masks of other parameters, nothing to prune, scores that are NaN, infinite or
            negative, weights not dense or of another type than ``RANKED`` or without
            statistics, survivors that become NaN or infinite, floors above the sparsity, what
            ``select_n_of_m`` refuses, or not enough memory.
    """
    check_request(scheme, sparsity, score=score)
    _check_weights(weights, previous)
    name = score_name(scheme, score)
    how, ranked_by, previous = find_scheme(scheme), find_score(name), previous or None
    inputs = Inputs(weights, classes, previous or {}, statistics or {})
    scorers = make_scorers(name, ranked_by, inputs)
    floors = _floors_at(floors, how, ranked_by, sparsity)
    masks: Dict[str, Tensor] = {}
    threshold: Dict[str, float] = {}
    for ranking, ranked in _rankings(weights, classes, how).items():
        k = _number_to_prune(ranking, ranked, classes, sparsity, previous, on_the_way)
        chosen, threshold[ranking] = (
            how.cut(ranked, scorers, k, previous)
            if not floors.are_asked
            else select_above_floors(ranked, scorers, k, previous, classes, floors)
        )
        masks.update(chosen)
    masks = {name: masks[name] for name in weights}
    summaries = (
        summarize(weight_class, [(weights[name], masks[name]) for name in names])
        for weight_class, names in inputs.by_class().items()
    )
    updated = updated_weights(name, ranked_by, inputs._replace(masks=masks))
    return Pruned(scheme, name, masks, threshold, tuple(summaries), updated)


def check_reachable(
    weights: Mapping[str, Tensor],
    classes: Mapping[str, str],
    scheme: str,
    sparsity: float,
    previous: Optional[Mapping[str, Tensor]] = None,
    floors: Floors = USUAL_FLOORS,
    score: Optional[str] = None,
) -> None:
    """Raise PruneError unless ``prune`` can get there, with these weights or others like them.

    To be asked before a schedule of several steps begins, of its last.
    """
    _check_weights(weights, previous)
    how, ranked_by = find_scheme(scheme), find_score(score_name(scheme, score))
    floors = _floors_at(floors, how, ranked_by, sparsity)
    if ranked_by.check is not None:
        ranked_by.check(classes[name] for name in weights)
    for ranking, ranked in _rankings(weights, classes, how).items():
        _number_to_prune(ranking, ranked, classes, sparsity, previous or None)
        if how.check is not None:
            how.check(ranked, previous or None)
        total = sum(weight.numel() for weight in ranked.values())
        k = round(sparsity * total)
        check_floors(ranking, ranked, classes, floors, k, previous or None)


def _floors_at(floors: Floors, how: Scheme, score: Score, sparsity: float) -> Floors:
    if how.cut is select_lowest:
        return floors.at(sparsity, score.row_share)
    if floors.are_asked:
        raise OptionError(
            "floors have no meaning with a scheme that says itself what stays where, such as n:m; "
            f"leave {OPTION}floor and {OPTION}row-floor out"
        )
    return NO_FLOORS


def _rankings(weights, classes, how: Scheme) -> Dict[str, Dict[str, Tensor]]:
    """Ranking -> its weights, in the order of ``weights``."""
    rankings: Dict[str, Set[str]] = {}
    for weight_class, names in members({name: classes[name] for name in weights}).items():
        rankings.setdefault(how.scope(weight_class), set()).update(names)
    return {
        ranking: {name: weight for name, weight in weights.items() if name in names}
        for ranking, names in rankings.items()
    }


def _number_to_prune(
    ranking: str, weights, classes, sparsity: float, previous, on_the_way: bool = False
) -> int:
    """How many weights of a ranking are to be pruned beside those that ``previous`` has."""
    total = sum(weight.numel() for weight in weights.values())
    k = round(sparsity * total)
    if previous is None:
        return k
    pruned = sum(
        previous[name].numel() - int(torch.count_nonzero(previous[name])) for name in weights
    )
    if not on_the_way:
        count = len({classes[name] for name in weights})
        check_not_below(ranking or "the model", sparsity, pruned, total, count)
    return max(0, k - pruned)


def check_not_below(what: str, sparsity: float, pruned: int, total: int, classes: int) -> None:
    """Raise PruneError where more than ``sparsity`` of ``total`` weights are ``pruned`` already.

    Args:
        what: is pruned, in words.
        classes: how many there are: the earlier pruning may have rounded each by itself.
    """
    if pruned > round(sparsity * total) + classes / 2:
        raise OptionError(
            f"{OPTION}sparsity {sparsity:g} is below what {what} is pruned to already "
            f"({_between(sparsity, pruned / total)}); pruned weights stay pruned, so ask for more"
        )


def _between(low: float, high: float) -> str:
    """``high`` with as many digits as tell it from ``low``."""
    return next(f"{high:.{n}g}" for n in (4, 6, 8, 17) if float(f"{high:.{n}g}") > low or n == 17)


def _check_weights(weights, previous) -> None:
    if not weights:
        raise PruneError("there is nothing to prune: the model has no prunable weight matrices")
    _check_types(weights)
    _check_previous(previous, weights)


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
