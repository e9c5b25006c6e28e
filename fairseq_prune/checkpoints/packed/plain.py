"""What a checkpoint holds besides weights, as JSON and back: nothing that could run."""

import base64
import math
from argparse import Namespace
from collections import OrderedDict
from typing import Any, List

import numpy as np
import torch
from torch import Tensor

from ...packed.settings import MARK
from ...pruning import PruneError
from ..safe_numpy import NUMBERS, array_of, plain_dtype


def to_json(value: Any, tensors: List[Tensor]) -> Any:
    """``value`` in what JSON can hold; its tensors are appended to ``tensors``.

    Raises:
        PruneError: it holds something other than plain containers, numbers, strings, tensors
            and what ``SAFE_TYPES`` are.
    """
    if isinstance(value, (np.generic, np.ndarray)) and value.dtype.str[1:] in NUMBERS:
        raw = base64.b64encode(value.tobytes()).decode()
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return _marked(kind, [value.dtype.str, list(value.shape), raw])
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _marked("float", repr(value))
    if isinstance(value, Tensor):
        tensors.append(value)
        return _marked("tensor", len(tensors) - 1)
    if isinstance(value, list):
        return [to_json(item, tensors) for item in value]
    if _is_dictionary(value):
        return _marked("dictionary", to_json(vars(value), tensors))
    if isinstance(value, Namespace):
        return _marked("namespace", to_json(vars(value), tensors))
    for kind, of in (("tuple", tuple), ("set", set), ("frozenset", frozenset)):
        if isinstance(value, of):
            return _marked(kind, [to_json(item, tensors) for item in value])
    if isinstance(value, OrderedDict):
        return _marked("ordered", to_json(dict(value.items()), tensors))
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and MARK not in value:
            return {key: to_json(item, tensors) for key, item in value.items()}
        pairs = [[to_json(part, tensors) for part in item] for item in value.items()]
        return _marked("pairs", pairs)
    raise PruneError(f"the checkpoint holds a {type(value).__name__}, which cannot be packed")


def from_json(value: Any, tensors: List[Tensor]) -> Any:
    """What ``to_json`` was given.

    Raises:
        PruneError: ``value`` is damaged.
    """
    if isinstance(value, list):
        return [from_json(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if MARK not in value:
        return {key: from_json(item, tensors) for key, item in value.items()}
    try:
        return _READERS[value[MARK]](value["is"], tensors)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise PruneError("what it holds besides weights is damaged") from error


def _marked(kind: str, content: Any) -> Any:
    return {MARK: kind, "is": content}


def _of(kind: type, value: Any, tensors: List[Tensor]) -> Any:
    """A list or a dict, and no tensor, each element of which would become an object."""
    inner = from_json(value, tensors)
    if not isinstance(inner, kind):
        raise TypeError(type(inner))
    return inner


def _numbers(value: Any) -> np.ndarray:
    kind, shape, raw = value
    dtype = plain_dtype(kind[1:], kind[0])
    return array_of(dtype, tuple(shape), base64.b64decode(raw, validate=True))


def _is_dictionary(value: Any) -> bool:
    """Whether it is a ``Dictionary`` of fairseq's, which there may be none of."""
    return any(
        (kind.__module__, kind.__qualname__) == ("fairseq.data.dictionary", "Dictionary")
        for kind in type(value).__mro__
    )


def _dictionary(value: Any, tensors: List[Tensor]) -> Any:
    # here, for files without one can be read where fairseq is not installed
    from fairseq.data import Dictionary

    dictionary = Dictionary()
    vars(dictionary).update(_of(dict, value, tensors))
    return dictionary


_READERS = {
    "float": lambda value, tensors: float(value),
    "tensor": lambda value, tensors: tensors[value],
    "array": lambda value, tensors: _numbers(value),
    "scalar": lambda value, tensors: _numbers(value)[()],
    "dictionary": _dictionary,
    "namespace": lambda value, tensors: Namespace(**_of(dict, value, tensors)),
    "tuple": lambda value, tensors: tuple(_of(list, value, tensors)),
    "set": lambda value, tensors: set(_of(list, value, tensors)),
    "frozenset": lambda value, tensors: frozenset(_of(list, value, tensors)),
    "ordered": lambda value, tensors: OrderedDict(_of(dict, value, tensors)),
    "pairs": lambda value, tensors: {
        from_json(key, tensors): from_json(item, tensors) for key, item in value
    },
}


def bits(tensor: Tensor) -> Tensor:
    """The same memory, flat, as integers: what is equal in every bit is equal."""
    kinds = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(kinds[flat.element_size()])
