"""What became of a model's matrices, in a line."""

import logging
from collections import Counter
from math import prod
from typing import Any, Optional, Tuple

from torch import nn

from .modules import ProductModule

logger = logging.getLogger("fairseq_prune")

#: Weights, below which products are too short for their kind to matter: a model of 0.23 M, 90%
#: pruned, decoded 0.95 to 1.05 times as fast as dense.
SMALL = 1_000_000


def say_summary(runtime: str, model: nn.Module, _keys: Any = None) -> None:
    """After ``model.load_state_dict``, whose hook this is."""
    line, gains = summary(runtime, model)
    logger.log(logging.INFO if gains else logging.WARNING, line)


def summary(runtime: str, model: nn.Module) -> Tuple[str, bool]:
    """How many matrices are of which kind and what is to be expected; whether that is a gain."""
    kinds: Counter[Optional[str]] = Counter()
    weights, now = 0, 0
    for module in model.modules():
        if isinstance(module, ProductModule):
            for names in module.groups:
                product = module.products.get(names[0])
                if product is not None:
                    kinds[product.kind] += len(names)
                    weights += sum(prod(module.shapes[name]) for name in names)
                    now += product.nbytes
    said = f"--prune-runtime {runtime}: "
    if kinds[None]:
        return said + f"each of {kinds[None]} matrices becomes what is fastest, sparse, int8 or " \
            "dense", True  # fmt: skip
    counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    ratio = 4 * weights / max(now, 1)
    said += (
        f"matrices: {counts or 'none'}; each step reads {now / 1e6:.3g} MB of weights instead of "
        f"{4 * weights / 1e6:.3g}"
    )
    if ratio < 1.1:
        return f"{said}, so that it is no faster than dense; prune more of the model", False
    if weights < SMALL:
        return f"{said}, but in so small a model most of the time goes elsewhere: it may be " \
            "slower than dense, unless the engine runs the whole search; fairseq-prune compare " \
            "measures that", False  # fmt: skip
    return f"{said}, {ratio:.1f} times less, and its products gain about that at most", True
