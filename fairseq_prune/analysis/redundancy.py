"""Tables of what is left where (See et al. 2016, section 4.5)."""

from typing import Any, Callable, Dict, Iterable, List, Tuple

import torch

from ..parameters.weight_classes import GATES
from .matrices import Matrix

#: How the paper calls the gates; g is its input signal.
GATE_NAMES = {"i": "input gate", "f": "forget gate", "o": "output gate", "g": "input signal"}

#: Into how many parts, by frequency, words are put together.
TENTHS = 10

#: (label, kept, weights) of a block of weights
Block = Tuple[Tuple[str, ...], int, int]


def redundancy(matrices: Iterable[Matrix]) -> Dict[str, Any]:
    """What is left, by class, by LSTM gate and input and layer, and the words left out.

    Returns:
        "classes", "gates", "inputs", "layers" (each LSTM layer and input), "blocks" (each
        gate and input of each LSTM layer): lists of rows with "weights", "kept" and "density"
        (kept / weights);
        "gate_order": gates from the densest to the sparsest; "words": see ``pruned_words``.
    """
    matrices = list(matrices)
    blocks = [block for matrix in matrices for block in _blocks(matrix)]
    gates = _table(blocks, ("gate",), lambda label: label[1:2])
    return {
        "classes": _table(
            [((m.weight_class,), int(m.keep.sum()), m.keep.numel()) for m in matrices],
            ("class",),
            lambda label: label,
        ),
        "gates": gates,
        "inputs": _table(blocks, ("input",), lambda label: label[2:3]),
        "layers": _table(blocks, ("class", "input"), lambda label: (label[0], label[2])),
        "blocks": _table(blocks, ("class", "gate", "input"), lambda label: label),
        "gate_order": [
            row["gate"] for row in sorted(gates, key=lambda row: row["density"], reverse=True)
        ],
        "words": [pruned_words(matrix) for matrix in matrices if matrix.words],
    }


def pruned_words(matrix: Matrix) -> Dict[str, Any]:
    """The words whose row of ``matrix`` is pruned whole, as rows of the dictionary ("pruned_rows").

    "by_frequency": the density of each tenth of the words, from the most frequent on.
    """
    kept = matrix.keep.sum(dim=1, dtype=torch.float64)
    gone = (kept == 0).nonzero().flatten().tolist()
    tenths = [part for part in kept.tensor_split(TENTHS) if len(part)]
    return {
        "parameter": matrix.name,
        "class": matrix.weight_class,
        "dictionary": matrix.words,
        "words": matrix.keep.shape[0],
        "pruned_rows": gone,
        "by_frequency": [float(part.mean()) / matrix.keep.shape[1] for part in tenths],
    }


def _blocks(matrix: Matrix) -> Iterable[Block]:
    for (gate, source), rows in matrix.subgroups.items():
        keep = matrix.keep[rows]
        yield (matrix.weight_class, gate, source), int(keep.sum()), keep.numel()


def _table(
    blocks: List[Block], columns: Tuple[str, ...], key: Callable[[Tuple[str, ...]], Tuple]
) -> List[Dict[str, Any]]:
    """Blocks with the same ``key`` added up, in the order of their first."""
    totals: Dict[Tuple, List[int]] = {}
    for label, kept, weights in blocks:
        total = totals.setdefault(key(label), [0, 0])
        total[0] += kept
        total[1] += weights
    rows = [
        {**dict(zip(columns, label)), "weights": w, "kept": k, "density": k / w if w else 0.0}
        for label, (k, w) in totals.items()
    ]
    order = {gate: place for place, gate in enumerate(GATES)}
    if columns == ("gate",):
        rows.sort(key=lambda row: order[row["gate"]])
    return rows
