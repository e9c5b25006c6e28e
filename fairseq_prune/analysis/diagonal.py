"""White diagonals in square blocks (See et al. 2016, end of section 4.5)."""

from typing import Any, Dict, List, Mapping, Optional

import torch
from torch import Tensor

from .matrices import Matrix


def diagonals(matrices: List[Matrix]) -> List[Dict[str, Any]]:
    """Magnitude and density on the diagonals of the square blocks of ``matrices``, and off them.

    A block is a square matrix or one of the gates of an LSTM's. Returns rows of "parameter",
    "class", "part" (which of the class), "gate", "input" (None unless an LSTM's), "size", the
    mean magnitude and the density on ("on", "on_density") and off ("off", "off_density") the
    diagonal, and their "ratio": 1 where the diagonal is like the rest, None where all the rest
    is 0.
    """
    rows = []
    for matrix in matrices:
        whole: Mapping[Any, slice] = {(None, None): slice(None)}
        for (gate, source), where in (matrix.subgroups or whole).items():
            block, keep = matrix.weight[where], matrix.keep[where]
            if block.shape[0] == block.shape[1] > 1:
                rows.append(
                    {
                        "parameter": matrix.name,
                        "class": matrix.weight_class,
                        "part": matrix.part,
                        "gate": gate,
                        "input": source,
                        **_compare(block, keep),
                    }
                )
    return rows


def _compare(block: Tensor, keep: Tensor) -> Dict[str, Optional[float]]:
    size = block.shape[0]
    magnitude = block.detach().abs().to(torch.float64)
    on, total = float(magnitude.diagonal().sum()), float(magnitude.sum())
    kept_on, kept = int(keep.diagonal().sum()), int(keep.sum())
    off_count = size * size - size
    off = (total - on) / off_count
    return {
        "size": size,
        "on": on / size,
        "off": off,
        "ratio": on / size / off if off > 0 else None,
        "on_density": kept_on / size,
        "off_density": (kept - kept_on) / off_count,
    }
