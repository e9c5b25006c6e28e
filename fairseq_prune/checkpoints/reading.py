"""Reading checkpoints: no code runs, and no memory is wasted."""

import argparse
import collections
import os
import pickle
from typing import Any, Dict

import torch

from ..pruning import PruneError
from .packed.container import is_packed
from .packed.packed_model import PackedModel

#: What fairseq checkpoints hold besides tensors and plain containers.
SAFE_TYPES = (argparse.Namespace,)

TAKES_SAFE_TYPES = hasattr(torch.serialization, "add_safe_globals")  # torch >= 2.4


def allow_in_fairseq() -> None:
    """Let fairseq's own ``torch.load`` read its checkpoints on torch >= 2.6.

    torch loads weights only by default there, which refuses the argparse.Namespace
    that fairseq stores. Allowing that one type keeps the protection.
    """
    if TAKES_SAFE_TYPES:
        torch.serialization.add_safe_globals(list(SAFE_TYPES))


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
        return packed.state(packed.decode())
    try:
        state = _load(path)
    except MemoryError:
        raise
    except Exception as error:  # foreign bytes make the unpickler raise anything at all
        reason = str(error).strip().split("\n")[0][:200] or type(error).__name__
        raise PruneError(
            f"{path} cannot be read as a checkpoint (it may be truncated, or not from fairseq): "
            f"{reason}"
        ) from error
    if not isinstance(state, dict) or not isinstance(state.get("model"), dict):
        raise PruneError(f"{path} is no fairseq checkpoint: it holds no model")
    model, extra = state["model"], state.get("extra_state")
    if not all(isinstance(name, str) for name in model) or not any(
        map(torch.is_tensor, model.values())
    ):
        raise PruneError(f"{path} is no fairseq checkpoint: its model is no state dict")
    if extra is not None and not isinstance(extra, dict):
        raise PruneError(f"{path} is no fairseq checkpoint: its extra_state is no dictionary")
    return state


def _load(path: str):
    if not TAKES_SAFE_TYPES:
        return _load_restricted(path)
    # for good, not in torch's context manager: that one's exit also takes back
    # what was allowed before it
    allow_in_fairseq()
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
                return inner._load(archive, "cpu", _RestrictedPickle, encoding="utf-8")
        return inner._legacy_load(f, "cpu", _RestrictedPickle, encoding="utf-8")


def is_zip(path: str) -> bool:
    """Whether a checkpoint is in torch's format since 1.6, which can be mapped."""
    with open(path, "rb") as f:
        return f.read(2) == b"PK"


class _RestrictedPickle:
    """A pickle module that finds what fairseq checkpoints hold and nothing else."""

    ALLOWED = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("argparse", "Namespace"): argparse.Namespace,
        ("torch", "Size"): torch.Size,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    }

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            if (module, name) in _RestrictedPickle.ALLOWED:
                return _RestrictedPickle.ALLOWED[module, name]
            value = getattr(torch, name, None) if module == "torch" else None
            if isinstance(value, torch.dtype) or (module == "torch" and name.endswith("Storage")):
                return value
            raise pickle.UnpicklingError(f"it holds a {module}.{name}, which could run code")

    @classmethod
    def load(cls, file, **kwargs):
        return cls.Unpickler(file, **kwargs).load()
