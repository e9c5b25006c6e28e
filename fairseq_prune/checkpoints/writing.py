"""Writing files, checkpoints above all: whole, or not at all."""

import os
import tempfile
from contextlib import suppress
from typing import Any, BinaryIO, Dict, Optional

import torch

from ..pruning import PruneError
from .stock_names import with_stock_names
from .whole_file import folder_of, is_device, whole_file


def check_writable(path: str) -> None:
    """Raise PruneError, before any work is done, unless a file can be made at ``path``."""
    if os.path.isdir(path):
        raise PruneError(f"{path} is a folder; name the file to write")
    if _is_own_output(path):
        raise PruneError(f"{path} is where this command's own words go; name another file")
    folder = folder_of(path)
    if not os.path.isdir(folder):
        raise PruneError(f"cannot write {path}: the folder {folder} does not exist")
    if is_device(path) and not os.access(path, os.W_OK):
        raise PruneError(f"cannot write {path}: you may not")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PruneError(f"cannot write {path}: {error.strerror or error}") from error


def _is_own_output(path: str) -> bool:
    if not os.path.exists(path) or os.path.samefile(path, os.devnull):
        return False
    for stream in (1, 2):
        with suppress(OSError):  # it is closed
            if os.path.samestat(os.stat(path), os.fstat(stream)):
                return True
    return False


def write_checkpoint(state: Dict[str, Any], path: str) -> None:
    """Save ``state`` at ``path``, whole or not at all, as a checkpoint of fairseq's own task.

    Raises:
        PruneError: it cannot be written; what was at ``path`` before is still there.
    """
    with whole_file(path) as f:
        sink = _Sink(f)
        # it writes and flushes, and needs nothing else of a file
        torch.save(with_stock_names(state), sink)  # type: ignore[arg-type]
        if sink.error is not None:
            raise sink.error


class _Sink:
    """A file for ``torch.save``, which is not told that writing failed.

    It would hide the reason behind one of its own, and torch 1.13 would end the process.
    """

    def __init__(self, f: BinaryIO):
        self._f = f
        self.error: Optional[OSError] = None

    def write(self, data) -> int:
        if self.error is None:
            try:
                self._f.write(data)
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes

    def flush(self) -> None:
        if self.error is None:
            try:
                self._f.flush()
            except OSError as error:
                self.error = error


def write_text(path: str, text: str) -> None:
    """Write ``text`` at ``path``, whole or not at all.

    Raises:
        PruneError: it cannot be written; what was at ``path`` before is still there.
    """
    with whole_file(path) as f:
        f.write(text.encode("utf-8"))


def scratch_tensor(like: torch.Tensor, beside: str) -> torch.Tensor:
    """An uninitialised tensor of the shape and dtype of ``like`` whose memory is a file, for
    results larger than RAM.

    The file has no name, so that nothing is left of it however this process ends.

    Args:
        beside: it lies on the disk of this path.
    Raises:
        PruneError: there is no room.
    """
    if like.numel() == 0:
        return torch.empty_like(like)
    size = like.numel() * like.element_size()
    try:
        with tempfile.TemporaryFile(dir=folder_of(beside)) as f:
            # now, not by a signal in the middle of copying
            os.posix_fallocate(f.fileno(), 0, size)
            name = f"/dev/fd/{f.fileno()}"
            flat = torch.from_file(name, shared=True, size=like.numel(), dtype=like.dtype)
    except OSError as error:
        reason = error.strerror or error
        raise PruneError(f"cannot write {size:,} bytes beside {beside}: {reason}") from error
    return flat.view(like.shape)
