"""What a checkpoint says of its pruning: the masks, one bit a weight, and their choice."""

import math
import reprlib
from dataclasses import replace
from typing import Any, Dict, Mapping, Optional

from torch import Tensor

from ..errors import PruneError
from .mask import check_packed, pack, unpack
from .pruned import Pruned
from .schemes import DEFAULT_SCORE, score_name

#: Where a record stands in a checkpoint, or in an optimizer's state.
RECORD_KEY = "prune"
#: Raised when a record can no longer be read by the version before.
VERSION = 1


def make_record(pruned: Pruned, sparsity: float) -> Dict[str, Any]:
    """A record of plain containers, numbers and uint8 tensors.

    Args:
        pruned: the result of ``prune``.
        sparsity: the target that was asked for.
    """
    return {
        "version": VERSION,
        "scheme": pruned.scheme,
        "score": pruned.score,
        "sparsity": sparsity,
        "threshold": dict(pruned.threshold),
        "shapes": {name: list(mask.shape) for name, mask in pruned.masks.items()},
        "masks": {name: pack(mask).cpu() for name, mask in pruned.masks.items()},
    }


def score_in(record: Mapping[str, Any]) -> str:
    """The score that a record's masks were chosen by; old records name none."""
    try:
        return record.get("score") or score_name(record["scheme"])
    except PruneError:  # a scheme of the user's own
        return DEFAULT_SCORE


def method_in(record: Mapping[str, Any]) -> str:
    """In words, what its masks were chosen by: the scheme, and a score that is not the usual."""
    score = score_in(record)
    usual = score == score_in({"scheme": record["scheme"]})
    return record["scheme"] if usual else f"{record['scheme']} by {score}"


def keep_thresholds(result: Pruned, before: Mapping[str, Any]) -> Pruned:
    """``result`` with the thresholds of the record ``before`` where nothing more was pruned.

    Where that was by another scheme or score, no threshold is known: left out.
    """
    same = (before["scheme"], score_in(before)) == (result.scheme, result.score)
    if before["masks"] and not same:
        known = {rank: value for rank, value in result.threshold.items() if value}
    else:
        earlier = before["threshold"]
        known = {rank: value or earlier.get(rank, 0.0) for rank, value in result.threshold.items()}
    return replace(result, threshold=known)


def empty_record(scheme: str, score: Optional[str] = None) -> Dict[str, Any]:
    """The record of a run that has not pruned yet."""
    return {
        "version": VERSION,
        "scheme": scheme,
        "score": score,
        "sparsity": 0.0,
        "threshold": {},
        "shapes": {},
        "masks": {},
    }


def check_record(record: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Raise PruneError unless the record is whole, of this version, and fits ``weights``."""
    try:
        _check_choice(record)
        for name, packed in record["masks"].items():
            shape = tuple(record["shapes"][name])
            if name not in weights:
                raise PruneError(f"the mask names {name}, which the model does not have")
            if shape != tuple(weights[name].shape):
                raise PruneError(
                    f"the mask of {name} is {_size(shape)}, "
                    f"the parameter is {_size(weights[name].shape)}"
                )
            check_packed(packed, shape)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, PruneError):
            raise
        raise PruneError(f"the recorded mask is damaged ({error!r})") from error


def _check_choice(record: Mapping[str, Any]) -> None:
    """Raise ValueError unless it says of what version it is, and what the masks were chosen by."""
    version, scheme, sparsity = (record[key] for key in ("version", "scheme", "sparsity"))
    if type(version) is int and version != VERSION:
        raise PruneError(
            f"the mask was recorded in version {version}, this is {VERSION}; "
            f"install a fairseq_prune that reads it"
        )
    if type(version) is not int or not isinstance(scheme, str):
        raise ValueError(f"version {reprlib.repr(version)}, scheme {reprlib.repr(scheme)}")
    if not isinstance(record.get("score"), (str, type(None))):
        raise ValueError(f"score {reprlib.repr(record['score'])}")
    if not _is_number(sparsity) or not 0 <= sparsity < 1:
        raise ValueError(f"sparsity {reprlib.repr(sparsity)}")
    for ranking, threshold in record["threshold"].items():
        if not isinstance(ranking, str) or not _is_number(threshold) or threshold < 0:
            raise ValueError(f"threshold {reprlib.repr(threshold)}")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -math.inf < value < math.inf


def masks_of(record: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Dict[str, Tensor]:
    """The masks of a record, on the devices of the ``weights`` they are for.

    Raises:
        PruneError: the record does not fit ``weights``; the first misfit is named.
    """
    check_record(record, weights)
    return {
        name: unpack(packed, tuple(weights[name].shape)).to(weights[name].device)
        for name, packed in record["masks"].items()
    }


def _size(shape) -> str:
    return " x ".join(map(str, shape))
