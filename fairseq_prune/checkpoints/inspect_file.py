"""What a checkpoint file holds: weight classes, sizes, sparsity, density by gate."""

import os
from typing import Any, Dict, Iterable, List, Optional

import torch
from torch import Tensor

from ..packed.shortlist import Shortlist
from ..packed.texts import Text
from ..parameters.weight_classes import fairseq_classes, lstm_subgroups, renamed
from ..pruning import masks_of, members, score_in
from ..pruning.pieces import CHUNK
from .packed.write_texts import shortlist_of, texts_of
from .reading import read_checkpoint
from .weights import aliases_in, distinct, find_record, prunable_weights


def inspect_checkpoint(
    path: str, include: Iterable[str] = (), exclude: Iterable[str] = ()
) -> Dict[str, Any]:
    """Describe a checkpoint in numbers, strings, lists and dicts (JSON).

    With a recorded mask, pruned means pruned by it; otherwise it means zero. Densities
    of LSTM gates are over each layer's matrix of that gate and input (section 3.2).

    Raises:
        PruneError: the file cannot be read, or its mask does not fit its weights.
    """
    state = read_checkpoint(path)
    aliases = aliases_in(state, path)
    record = find_record(state)
    if record is not None and not record["masks"]:
        record = None  # a run that has not pruned yet
    if record is None:
        weights = prunable_weights(state, aliases, include, exclude)
        kept = {name: weight != 0 for name, weight in weights.items()}
    else:
        kept = masks_of(record, state["model"])
        weights = {name: state["model"][name] for name in kept}
    classes = [
        _describe_class(name, [(n, weights[n], kept[n]) for n in names])
        for name, names in members(fairseq_classes(weights, aliases)).items()
    ]
    total, pruned = (sum(c[key] for c in classes) for key in ("weights", "pruned"))
    return {
        "checkpoint": path,
        "bytes": os.path.getsize(path),
        "parameters": sum(t.numel() for t in distinct(state["model"], aliases).values()),
        "weights": total,
        "pruned": pruned,
        "nonzero": sum(c["nonzero"] for c in classes),
        "sparsity": pruned / total if total else 0.0,
        "mask": "none; zeros are counted" if record is None else "recorded",
        "scheme": None if record is None else record.get("scheme"),
        "score": None if record is None else score_in(record),
        "target_sparsity": None if record is None else record.get("sparsity"),
        "threshold": None if record is None else renamed(record.get("threshold") or {}, aliases),
        "classes": classes,
        "shortlist": _describe_shortlist(shortlist_of(path)),
        "texts": {name: _describe_text(text) for name, text in texts_of(path).items()},
    }


def _describe_shortlist(shortlist: Optional[Shortlist]) -> Optional[Dict[str, int]]:
    """How many translations it has of all words, and how many words that are always there."""
    if shortlist is None:
        return None
    return {"translations": len(shortlist.words), "frequent": len(shortlist.frequent)}


def _describe_text(text: Text) -> Dict[str, Any]:
    return {**text.described(), "bytes": len(text.raw or b"")}


def _describe_class(name: str, parts) -> Dict[str, Any]:
    count = sum(weight.numel() for _, weight, _ in parts)
    kept = sum(_count(mask) for _, _, mask in parts)
    smallest, largest, nonzero = float("inf"), 0.0, 0
    for _, weight, mask in parts:
        # piece by piece: the weights may be more than fit in memory at once
        for piece, keep in zip(weight.reshape(-1).split(CHUNK), mask.reshape(-1).split(CHUNK)):
            size = piece[keep].abs().float()
            nonzero += _count(piece)
            if size.numel():
                smallest, largest = (
                    min(smallest, float(size.min())),
                    max(largest, float(size.max())),
                )
    return {
        "name": name,
        "parameters": [parameter for parameter, _, _ in parts],
        "weights": count,
        "pruned": count - kept,
        "sparsity": (count - kept) / count if count else 0.0,
        "nonzero": nonzero,
        "smallest_kept": smallest if kept else None,
        "largest": largest if kept else None,
        "gates": _gates(parts),
    }


def _gates(parts) -> List[Dict[str, Any]]:
    kept: Dict[Any, List[Tensor]] = {}
    for parameter, weight, mask in parts:
        for subgroup, rows in (lstm_subgroups(parameter, tuple(weight.shape)) or {}).items():
            kept.setdefault(subgroup, []).append(mask[rows])
    return [
        {
            "gate": gate,
            "input": source,
            "weights": sum(m.numel() for m in masks),
            "density": sum(map(_count, masks)) / sum(m.numel() for m in masks),
        }
        for (gate, source), masks in kept.items()
    ]


def _count(tensor: Tensor) -> int:
    """How many of its elements are not zero: many times faster than the sum of a mask."""
    return int(torch.count_nonzero(tensor))
