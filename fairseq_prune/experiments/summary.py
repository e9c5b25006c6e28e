"""A grid's results over its seeds."""

import math
import statistics
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from torch import Tensor

from ..packed.bound import bound as bound_of
from ..packed.mask_code import encode_mask
from .points import method

#: What is averaged.
METRICS = ("bleu", "perplexity")


def summarise(records: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """A row for each kind, scheme and sparsity, in the order of their first record.

    Args:
        records: as in results.jsonl.
    Returns:
        rows of "kind", "scheme" (with score, steps and floors where they are not as usual),
        "sparsity", "seeds" (how many), "weights", "kept" (mean),
        "bytes" (means) and, for each metric, a dictionary of "mean" and "deviation" (standard
        deviation of a sample; None for one seed or an infinite value), or None where it was
        not measured.
    """
    groups: Dict[Tuple, List[Dict[str, Any]]] = {}
    for record in records:
        scheme = record["scheme"] and method(record)
        key = (record["kind"], scheme, record["sparsity"])
        groups.setdefault(key, []).append(record)
    return [
        {
            "kind": kind,
            "scheme": scheme,
            "sparsity": sparsity,
            "seeds": len(group),
            "weights": group[0]["weights"],
            "kept": statistics.mean(record["kept"] for record in group),
            "bytes": {
                name: statistics.mean(record["bytes"][name] for record in group)
                for name in group[0]["bytes"]
                if all(name in record["bytes"] for record in group)
            },
            **{metric: _spread([record[metric] for record in group]) for metric in METRICS},
        }
        for (kind, scheme, sparsity), group in groups.items()
    ]


def _spread(values: List[Optional[float]]) -> Optional[Dict[str, Optional[float]]]:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    several = len(known) > 1 and all(map(math.isfinite, known))
    deviation = statistics.stdev(known) if several else None
    return {"mean": statistics.mean(known), "deviation": deviation}


#: Bytes of an fp32 value and of an int32 index.
VALUE = INDEX = 4


def storage(parameters: Iterable[Tensor], masks: Mapping[str, Tensor]) -> Dict[str, float]:
    """Bytes in fp32: "dense"; "csr", matrices with masks in compressed sparse rows; "packed",
    as ``fairseq-prune pack`` codes them; "bound".

    Compressed sparse rows take an int32 column beside each kept value, and an int32 a row. The
    bound is what no lossless code of independent positions goes below: the entropy of each
    mask at its own density, and the kept values. What has no mask is dense in all four.

    Args:
        parameters: all of the model's, tied ones once.
        masks: parameter name -> mask, of those that are pruned.
    """
    dense = VALUE * sum(parameter.numel() for parameter in parameters)
    csr = packed = bound = float(dense)
    for mask in masks.values():
        weights, kept = mask.numel(), int(mask.count_nonzero())
        rows = mask.shape[0] if mask.dim() else 1
        csr += kept * (VALUE + INDEX) + (rows + 1) * INDEX - VALUE * weights
        packed += kept * VALUE + encode_mask(mask.reshape(-1).cpu().numpy()).size - VALUE * weights
        bound += bound_of(weights, kept, VALUE) - VALUE * weights
    return {"dense": dense, "csr": csr, "packed": packed, "bound": bound}
