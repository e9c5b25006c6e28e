"""What is logged of a mask."""

import re
from typing import Any, Dict, Mapping, Tuple

from torch import Tensor

from ..parameters.ties import Aliases
from ..parameters.weight_classes import fairseq_classes
from ..pruning import members, sparsity


def metrics_of(
    record: Mapping[str, Any], masks: Mapping[str, Tensor], aliases: Aliases
) -> Tuple[Dict[str, float], Dict[str, float]]:
    """Of all, to be logged with each update; and of each class, with each epoch."""
    thresholds = record["threshold"]
    of_all = {"sparsity": sparsity(masks)}
    if "prunes" in record.get("run", {}):
        of_all["prunes"] = record["run"]["prunes"]
    if len(thresholds) == 1:
        of_all["threshold"] = next(iter(thresholds.values()))
    of_classes = {}
    for name, parameters in members(fairseq_classes(masks, aliases)).items():
        key = re.sub(r"[^\w.-]+", "_", name)
        of_classes[f"sparsity_{key}"] = sparsity({p: masks[p] for p in parameters})
        if name in thresholds:
            of_classes[f"threshold_{key}"] = thresholds[name]
    return of_all, of_classes
