"""Writing files, checkpoints above all: whole, or not at all."""

import os
import tempfile
from contextlib import contextmanager
from typing import Any, Dict, Iterator

import torch
from fairseq.file_io import PathManager

from ..pruning import PruneError


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
