"""What fairseq puts in checkpoints besides tensors and plain containers, by name.

The options of a model, task or optimizer that has no dataclass are an ``argparse.Namespace``;
tasks and criterions log numbers of numpy (``--eval-bleu``: arrays), which the meters in
``extra_state`` keep; some tasks keep their ``Dictionary`` in ``task_state``. Enums are written as
strings, meters as lists of numbers, configurations as plain dictionaries.

None of these runs what a file says. Where the original could be made to (numpy's), something
else stands under its name.
"""

import argparse
import functools
from typing import Any, Callable, Dict

from . import safe_numpy


def latin1(text: str, codec: str) -> bytes:
    """Stands for ``_codecs.encode``: bytes, as a pickle of protocol 2 spells them."""
    if codec != "latin1":
        raise ValueError(f"bytes are not encoded as {codec}")
    return text.encode(codec)


def no_bytes() -> bytes:
    """Stands for ``bytes``: a pickle of protocol 2 calls it for none at all."""
    return b""


def _named(path: str, thing: Callable) -> Callable:
    """``thing`` under the name that torch, which knows what is allowed by its name, looks for."""
    named: Any = thing if isinstance(thing, type) else functools.partial(thing)
    named.__module__, _, named.__name__ = path.rpartition(".")
    named.__qualname__ = named.__name__
    return named


#: What a pickle may name: what it gets. numpy 2 renamed ``numpy.core``.
SAFE_TYPES: Dict[str, Any] = {
    "argparse.Namespace": argparse.Namespace,
    **{
        path: _named(path, thing)
        for path, thing in (
            ("numpy.dtype", safe_numpy.Dtype),
            ("numpy.ndarray", safe_numpy.Array),
            ("numpy.core.multiarray.scalar", safe_numpy.scalar),
            ("numpy._core.multiarray.scalar", safe_numpy.scalar),
            ("numpy.core.multiarray._reconstruct", safe_numpy.reconstruct),
            ("numpy._core.multiarray._reconstruct", safe_numpy.reconstruct),
            ("_codecs.encode", latin1),
            ("builtins.bytes", no_bytes),
        )
    },
}

#: fairseq's own, which is imported only for files that name it.
DICTIONARY = "fairseq.data.dictionary.Dictionary"


def safe_types(with_dictionary: bool) -> Dict[str, Any]:
    """``SAFE_TYPES``, and ``DICTIONARY`` where that is wanted, which imports fairseq.

    Raises:
        ImportError: fairseq is not installed.
    """
    if not with_dictionary:
        return SAFE_TYPES
    from fairseq.data import Dictionary

    return {**SAFE_TYPES, DICTIONARY: Dictionary}
