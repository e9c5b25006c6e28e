"""Reading and writing checkpoints: no code runs, no memory is wasted, nothing is half done."""

import argparse
import collections
import os
import pickle
import tempfile
from contextlib import contextmanager
from typing import Any, Dict, Iterator

import torch
from fairseq.file_io import PathManager

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


def check_writable(path: str) -> None:
    """Raise PruneError, before any work is done, unless a file can be made at ``path``."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise PruneError(f"{path} is a folder; name the file to write")
    if not os.path.isdir(folder):
        raise PruneError(f"cannot write {path}: the folder {folder} does not exist")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PruneError(f"cannot write {path}: {error.strerror or error}") from error


def write_checkpoint(state: Dict[str, Any], path: str) -> None:
    """Save ``state`` at ``path``, whole or not at all.

    Raises:
        PruneError: it cannot be written; what was at ``path`` before is still there.
    """
    partial = f"{path}.tmp{os.getpid()}"
    try:
        torch.save(state, partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:
        raise PruneError(f"cannot write {path}: {error}") from error
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def write_text(path: str, text: str) -> None:
    """Write ``text`` at ``path``, whole or not at all."""
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".tmp", path)


@contextmanager
def scratch_tensors(beside: str) -> Iterator:
    """A function that makes tensors whose memory is a file, for results larger than RAM.

    Args:
        beside: the files lie in a temporary folder next to this path, gone afterwards.
    Yields:
        ``make(like)``: an uninitialised tensor of the shape and dtype of ``like``.
    """
    folder = os.path.dirname(os.path.abspath(beside))
    with tempfile.TemporaryDirectory(prefix=".fairseq_prune_", dir=folder) as scratch:
        count = 0

        def make(like: torch.Tensor) -> torch.Tensor:
            nonlocal count
            if like.numel() == 0:
                return torch.empty_like(like)
            count += 1
            name = os.path.join(scratch, str(count))
            size = like.numel() * like.element_size()
            try:
                with open(name, "wb") as f:
                    # now, not by a signal in the middle of copying
                    os.posix_fallocate(f.fileno(), 0, size)
                flat = torch.from_file(name, shared=True, size=like.numel(), dtype=like.dtype)
            except (OSError, RuntimeError) as error:
                raise PruneError(f"cannot write {size:,} bytes beside {beside}: {error}") from error
            return flat.view(like.shape)

        yield make


def copy_whole_files() -> None:
    """Make fairseq's copying of checkpoints all or nothing, as its writing is.

    It writes one checkpoint and copies it over the others in place; a process that is
    killed meanwhile leaves a truncated ``checkpoint_last.pt``, from which nothing can go on.
    """
    if getattr(PathManager.copy, "whole", False):
        return
    copy = PathManager.copy

    def copy_whole(src_path, dst_path, overwrite=False):
        if not overwrite or not PathManager.supports_rename(dst_path):
            return copy(src_path, dst_path, overwrite)
        partial = f"{dst_path}.tmp"
        copied = copy(src_path, partial, overwrite=True)
        os.replace(partial, dst_path)
        return copied

    copy_whole.whole = True
    PathManager.copy = staticmethod(copy_whole)
