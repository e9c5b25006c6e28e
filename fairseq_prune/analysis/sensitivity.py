"""What pruning each weight class alone costs (See et al. 2016, Figures 4 and 5)."""

from contextlib import contextmanager
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from torch import Tensor, nn

from ..parameters.ties import aliases_of
from ..parameters.weight_classes import fairseq_classes, fairseq_prunable
from ..parameters.weight_norm import check_weight_norm
from ..pruning import SCHEMES, Pruned, PruneError, apply_, members
from .ranking import BY_MAGNITUDE, Ranking


def sensitivity(
    model: nn.Module,
    evaluate: Callable[[], float],
    sparsity: float,
    ranking: Ranking = BY_MAGNITUDE,
) -> Tuple[float, List[Dict[str, Any]]]:
    """The perplexity of the model, and its increase when each class is pruned alone.

    A class is pruned of what the scheme would take from it when pruning the whole model to
    ``sparsity`` (the paper: 0.9), and put back afterwards.

    Args:
        evaluate: gives the perplexity of ``model`` as it is.
        ranking: what the schemes rank by.
    Returns:
        the perplexity unpruned, and rows of "scheme", "class", "weights", "pruned",
        "largest_pruned" (magnitude; None where nothing is), "perplexity", "increase" (both
        None where all weights of a norm would go, so that there is no such model).
    """
    named = {name: parameter.data for name, parameter in model.named_parameters()}
    aliases = aliases_of(model)
    weights = fairseq_prunable(named, aliases=aliases)
    classes = fairseq_classes(weights, aliases)
    of_class = members(classes)
    before = evaluate()
    rows = []
    for scheme in SCHEMES:
        result = ranking.prune(weights, classes, scheme, sparsity)
        for summary in result.classes:
            after = _evaluate_pruned(named, result, of_class[summary.name], evaluate)
            rows.append(
                {
                    "scheme": scheme,
                    "class": summary.name,
                    "weights": summary.weights,
                    "pruned": summary.pruned,
                    "largest_pruned": summary.largest_pruned,
                    "perplexity": after,
                    "increase": None if after is None else after - before,
                }
            )
    return before, rows


def _evaluate_pruned(
    named: Dict[str, Tensor], result: Pruned, names: List[str], evaluate: Callable[[], float]
) -> Optional[float]:
    masks = {name: result.masks[name] for name in names}
    try:
        with temporarily_pruned(named, masks, result.updated):
            return evaluate()
    except PruneError:
        return None


@contextmanager
def temporarily_pruned(
    named: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    updated: Mapping[str, Tensor],
):
    """Apply ``masks`` to the parameters they name; afterwards those are as before.

    Args:
        named: all of the model's parameters by name, as plain tensors.
        updated: values that those of them have instead, whose survivors make up for the rest.
    Raises:
        PruneError: all weights of a norm would go (``check_weight_norm``).
    """
    check_weight_norm(masks, named)
    saved = {name: named[name].clone() for name in masks}
    try:
        for name, mask in masks.items():
            if name in updated:
                named[name].copy_(updated[name])
            apply_(named[name], mask)
        yield
    finally:
        for name, weight in saved.items():
            named[name].copy_(weight)
