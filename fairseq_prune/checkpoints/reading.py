"""Reading checkpoints: no code runs, and no memory is wasted."""

import os
import pickle
import re
import sys
from typing import Any, Dict

import torch

from ..packed.container import is_packed
from ..pruning import PruneError
from .form import check_form
from .packed.packed_model import PackedModel
from .restricted_pickle import RestrictedPickle
from .safe_types import DICTIONARY, safe_types

TAKES_SAFE_TYPES = hasattr(torch.serialization, "add_safe_globals")  # torch >= 2.4


def allow_safe_types(with_dictionary: bool = True) -> None:
    """Let ``torch.load`` read fairseq's checkpoints on torch >= 2.6, in this process.

    torch loads weights only by default there, which refuses what fairseq stores beside
    them. Allowing ``safe_types`` keeps the protection.
    """
    if not TAKES_SAFE_TYPES:
        return
    allowed = safe_types(with_dictionary)
    known = torch.serialization.get_safe_globals()
    # of two things under one name torch takes any: the original would not fit to the others
    others = [thing for thing in known if _name(thing) not in allowed]
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals([*others, *allowed.values()])


def _name(allowed: Any) -> str:
    if isinstance(allowed, tuple):
        return allowed[1]
    return f"{allowed.__module__}.{allowed.__qualname__}"


def read_checkpoint(path: str) -> Dict[str, Any]:
    """A fairseq checkpoint on the CPU, memory-mapped on torch >= 2.4; or a packed one, decoded.

    Tensors may share memory with the file: do not write into them.

    Raises:
        PruneError: the file is missing, truncated, no fairseq checkpoint, or holds
            anything but tensors, plain containers and ``SAFE_TYPES``.
    """
    if not os.path.isfile(path):
        raise PruneError(f"checkpoint {path} does not exist")
    if is_packed(path):
        packed = PackedModel(path)
        state = packed.state(packed.decode())
    else:
        state = read_safely(path)
    check_form(state, path)
    return state


def read_safely(path: str) -> Any:
    """What a file that torch has written holds.

    Raises:
        PruneError: it is no such file, it is damaged, or it holds anything but tensors, plain
            containers and ``SAFE_TYPES``.
    """
    try:
        return _load(path)
    except MemoryError:
        raise
    except Exception as error:  # foreign bytes make the unpickler raise anything at all
        raise PruneError(_why(path, error)) from error


def _why(path: str, error: Exception) -> str:
    """What is wrong; not in torch's words, which advise to switch its protection off."""
    refused = re.search(r"GLOBAL ([\w.()']+)", str(error))
    if isinstance(error, pickle.UnpicklingError) and refused:
        return (
            f"{path} holds {refused.group(1)}, which fairseq does not store and which could run "
            f"code; where you trust the file, save it again without: a dict with its model and its "
            f"cfg (or args) is enough"
        )
    if isinstance(error, ImportError):
        return f"{path} holds what fairseq alone can read ({error}): install it"
    if isinstance(error, OSError) and error.strerror:
        return f"{path} cannot be read: {error.strerror}"
    return (
        f"{path} cannot be read as a checkpoint: it is truncated, damaged, or was not written by "
        f"fairseq"
    )


def _load(path: str):
    if not TAKES_SAFE_TYPES:
        return _load_restricted(path)
    # for good, not in torch's context manager: that one's exit also takes back
    # what was allowed before it
    with_dictionary = "fairseq.data" in sys.modules
    allow_safe_types(with_dictionary)
    try:
        return _load_weights_only(path)
    except pickle.UnpicklingError as error:
        if with_dictionary or DICTIONARY not in str(error):
            raise
    allow_safe_types()
    return _load_weights_only(path)


def _load_weights_only(path: str):
    return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip(path))


def _load_restricted(path: str):
    """For torch < 2.4, whose weights-only loading takes no further types.

    Through torch's inner functions, which those versions will always have: torch.load
    of 1.13 takes a pickle module and then uses the unrestricted one all the same.
    """
    inner = torch.serialization
    with inner._open_file_like(path, "rb") as f:
        if inner._is_zipfile(f):
            with inner._open_zipfile_reader(f) as archive:
                return inner._load(archive, "cpu", RestrictedPickle, encoding="utf-8")
        return inner._legacy_load(f, "cpu", RestrictedPickle, encoding="utf-8")


def is_zip(path: str) -> bool:
    """Whether a checkpoint is in torch's format since 1.6, which can be mapped."""
    with open(path, "rb") as f:
        return f.read(2) == b"PK"
