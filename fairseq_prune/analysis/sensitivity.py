"""What pruning each weight class alone costs (See et al. 2016, Figures 4 and 5)."""

from typing import Any, Callable, Dict, List, Tuple

from torch import nn

from ..models.weight_classes import fairseq_classes, fairseq_prunable
from ..pruning import SCHEMES, apply_, members, prune


def sensitivity(
    model: nn.Module, evaluate: Callable[[], float], sparsity: float
) -> Tuple[float, List[Dict[str, Any]]]:
    """The perplexity of the model, and its increase when each class is pruned alone.

    A class is pruned of what the scheme would take from it when pruning the whole model to
    ``sparsity`` (the paper: 0.9), and put back afterwards.

    Args:
        evaluate: gives the perplexity of ``model`` as it is.
    Returns:
        the perplexity unpruned, and rows of "scheme", "class", "weights", "pruned",
        "largest_pruned" (magnitude; None where nothing is), "perplexity", "increase".
    """
    weights = fairseq_prunable(dict(model.named_parameters()))
    weights = {name: weight.data for name, weight in weights.items()}
    classes = fairseq_classes(weights)
    of_class = members(classes)
    before = evaluate()
    rows = []
    for scheme in SCHEMES:
        result = prune(weights, classes, scheme, sparsity)
        for summary in result.classes:
            names = of_class[summary.name]
            saved = {name: weights[name].clone() for name in names}
            for name in names:
                apply_(weights[name], result.masks[name])
            after = evaluate()
            for name in names:
                weights[name].copy_(saved[name])
            rows.append(
                {
                    "scheme": scheme,
                    "class": summary.name,
                    "weights": summary.weights,
                    "pruned": summary.pruned,
                    "largest_pruned": summary.largest_pruned,
                    "perplexity": after,
                    "increase": after - before,
                }
            )
    return before, rows
