"""numpy's numbers and arrays in checkpoints, unpickled without numpy's own unpickling.

That one trusts a file: what a pickle says of a dtype decides whether bytes are taken for
numbers or for addresses of Python objects. Here a file can only name a type of plain numbers
and give its bytes. The names a pickle asks for are numpy 1's and numpy 2's; what it then holds
is an array or a number of the numpy that is installed.
"""

import math
import pickle
from typing import Literal, Tuple

import numpy as np

#: Types of plain numbers, without their byte order.
NUMBERS = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split())


def plain_dtype(kind: str, order: Literal["<", ">", "|", "="] = "=") -> np.dtype:
    """The dtype of plain numbers of that name, such as "f8".

    Raises:
        ValueError: it names any other.
    """
    if kind not in NUMBERS or order not in ("<", ">", "|", "="):
        raise ValueError(f"numpy {kind!r} is no type of plain numbers")
    return np.dtype(kind).newbyteorder(order)


def array_of(dtype: np.dtype, shape: Tuple[int, ...], raw: bytes, fortran: bool = False):
    """The array of ``shape`` with these bytes.

    Raises:
        ValueError: they are too many or too few.
    """
    _check(dtype, shape, raw)
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C").copy("K")


def _check(dtype, shape, raw) -> None:
    whole = type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape)
    if not whole or type(raw) is not bytes or math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError("a numpy array has not the size it claims")


class Dtype:
    """Stands for ``numpy.dtype`` in a pickle."""

    def __init__(self, kind="", align=False, copy=False):
        if kind not in NUMBERS:
            raise pickle.UnpicklingError(f"GLOBAL numpy.dtype({kind!r}) is not allowed")
        self.plain = plain_dtype(kind)

    def __setstate__(self, state):
        _, order, *more = state
        if any(part is not None for part in more[:3]):
            raise ValueError("a numpy type with fields is no type of plain numbers")
        self.plain = plain_dtype(self.plain.str[1:], order)

    def __reduce_ex__(self, protocol):
        return self.plain.__reduce_ex__(protocol)


class Array(np.ndarray):
    """Stands for ``numpy.ndarray`` in a pickle, and is written as one."""

    def __new__(cls, *ignored):
        return super().__new__(cls, 0, np.int8)

    def __setstate__(self, state):
        _, shape, dtype, fortran, raw = state
        _check(_plain(dtype), shape, raw)
        whole = (1, shape, _plain(dtype), bool(fortran), raw)
        # its hint says numpy.bool, which it refuses
        super().__setstate__(whole)  # type: ignore[arg-type]

    def __reduce_ex__(self, protocol):
        return self.view(np.ndarray).__reduce_ex__(protocol)


def reconstruct(kind, shape, code) -> Array:
    """Stands for numpy's ``_reconstruct``: the array that ``Array.__setstate__`` fills."""
    return Array()


def scalar(dtype: Dtype, raw: bytes) -> np.generic:
    """Stands for numpy's ``scalar``."""
    return array_of(_plain(dtype), (), raw)[()]


def _plain(dtype: Dtype) -> np.dtype:
    if type(dtype) is not Dtype:
        raise ValueError("a numpy type that is no type of plain numbers")
    return dtype.plain
