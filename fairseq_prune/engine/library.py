"""The compiled engine: its C interface, for the processor that is here."""

import ctypes
import functools
import os
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_void_p
from pathlib import Path
from typing import Optional

from ..errors import OPTION, OptionError, PruneError


class Stored(ctypes.Structure):
    """A tensor in a file or in memory; see ``src/packed.h``."""

    _fields_ = [
        ("fd", c_int), ("rows", c_int64), ("columns", c_int64), ("kind", c_int),
        ("mask", c_int64), ("mask_size", c_int64), ("values", c_int64), ("values_size", c_int64),
        ("scales", c_int64),
    ]  # fmt: skip


class Options(ctypes.Structure):
    """Of a search; see ``src/search.h``."""

    _fields_ = [
        ("beam", c_int32), ("min_len", c_int32), ("normalize", c_int32),
        ("want_attention", c_int32), ("pad", c_int32), ("eos", c_int32), ("unk", c_int32),
        ("begin", c_int32), ("length_penalty", c_float), ("unknown_penalty", c_float),
        ("temperature", c_float),
    ]  # fmt: skip


class Result(ctypes.Structure):
    """All hypotheses of a batch, one after the other."""

    _fields_ = [
        ("count", c_int32),
        ("per_sentence", POINTER(c_int32)), ("lengths", POINTER(c_int32)),
        ("words", POINTER(c_int32)), ("scores", POINTER(c_float)),
        ("positional", POINTER(c_float)), ("attention", POINTER(c_float)),
    ]  # fmt: skip


#: Of numbers in a file: safetensors' name -> ``Kind`` in ``src/packed.h``.
KINDS = {"F32": 0, "F16": 1, "I8": 2, "BF16": 3, "F64": 4}

_ARGUMENTS = {
    "engine_threads": [c_int],
    "engine_free": [c_void_p],
    "engine_matrix": [c_void_p, c_char_p, POINTER(Stored), c_int, c_double],
    "engine_take": [c_void_p, c_char_p, c_void_p, c_int],
    "engine_share": [c_void_p, c_char_p, c_char_p],
    "engine_vector": [c_void_p, c_char_p, c_void_p, c_int64],
    "engine_number": [c_void_p, c_char_p, c_double],
    "engine_build": [c_void_p, c_char_p],
    "engine_bytes": [c_void_p],
    "engine_words": [c_void_p, c_int],
    "engine_product_new": [POINTER(Stored), c_double],
    "engine_product_free": [c_void_p],
    "engine_product_is_sparse": [c_void_p],
    "engine_product_bytes": [c_void_p],
    "engine_product": [c_void_p, c_void_p, c_int, c_void_p],
    "engine_product_rows": [c_void_p, c_int, c_int, c_void_p],
    "engine_lstm": [c_void_p, c_void_p, c_void_p, c_int, c_int, *[c_void_p] * 4],
    "engine_translate": [
        c_void_p, POINTER(Options), c_int, *[c_void_p] * 5, c_int, c_void_p,
        POINTER(POINTER(Result)),
    ],
    "engine_zero": [c_void_p, c_int64, POINTER(c_void_p), c_int],
    "engine_free_result": [POINTER(Result)],
    "engine_score": [c_void_p, c_int, c_void_p, c_void_p, c_int, *[c_void_p] * 3],
}  # fmt: skip
_RESULTS = {"engine_free": None, "engine_free_result": None, "engine_threads": None,
            "engine_bytes": c_int64, "engine_product_new": c_void_p,
            "engine_product_free": None, "engine_product_bytes": c_int64}  # fmt: skip


@functools.lru_cache(maxsize=None)
def find_library() -> Optional[ctypes.CDLL]:
    """The engine for this processor; None where it was not compiled, or from other sources."""
    base = _open("base")
    engine = base and base.engine_has_avx2() and _open("avx2") or base
    if engine is None:
        return None
    for name, arguments in _ARGUMENTS.items():
        function = getattr(engine, name, None)
        if function is None:  # compiled from other sources than these
            return None
        function.argtypes, function.restype = arguments, _RESULTS.get(name, c_int)
    engine.engine_error.restype = c_char_p
    engine.engine_new.restype = c_void_p
    engine.engine_threads(processors())
    return engine


def library() -> ctypes.CDLL:
    """
    Raises:
        PruneError: the engine was not compiled.
    """
    engine = find_library()
    if engine is None:
        raise PruneError(
            "the engine is not compiled here; install a C++ compiler (g++ or clang++), then this "
            "package again"
        )
    return engine


def check(code: int) -> None:
    """Raise what a call of the engine has left, unless it returned 0.

    Raises:
        PruneError: the file is damaged, the model lacks a part, or the memory does not suffice.
    """
    if code:
        raise PruneError(library().engine_error().decode())


def use_threads(count: Optional[int]) -> None:
    """
    Args:
        count: threads to use from now on; None: as many as before, at first ``processors()``.
    Raises:
        PruneError: there can be no so few, or the engine was not compiled.
    """
    if count is None:
        return
    if count < 1:
        raise OptionError(f"{OPTION}threads {count}: give 1 or more")
    library().engine_threads(count)


def processors() -> int:
    """Threads to use: ``OMP_NUM_THREADS``, or as many as this process may run on."""
    try:
        return max(1, int(os.environ["OMP_NUM_THREADS"].split(",")[0]))
    except (KeyError, ValueError):
        pass
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _open(level: str) -> Optional[ctypes.CDLL]:
    path = Path(__file__).with_name(f"_{level}.so")
    try:
        return ctypes.CDLL(str(path)) if path.exists() else None
    except OSError:  # made for another machine
        return None
