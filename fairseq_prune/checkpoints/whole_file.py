"""Files that are written whole, or not at all: beside their place first, then renamed."""

import contextlib
import fcntl
import glob
import os
import secrets
import shutil
import tempfile
from typing import BinaryIO, Iterator

from ..pruning import PruneError


@contextlib.contextmanager
def whole_file(path: str) -> Iterator[BinaryIO]:
    """A file to write and seek in; what is at ``path`` is replaced when the block ends well.

    A symbolic link is followed. What is no ordinary file (``/dev/null``, a pipe) gets the bytes
    once all are there. Until then they are in ``.fairseq_prune_NAME_XXXXXXXX``, locked by this
    process; such files of processes that were killed are removed when NAME is written again.

    Raises:
        PruneError: it cannot be written; what was at ``path`` before is still there.
    """
    try:
        with _device(path) if is_device(path) else _renamed(os.path.realpath(path)) as f:
            yield f
    except OSError as error:
        raise PruneError(f"cannot write {path}: {error.strerror or error}") from error


def is_device(path: str) -> bool:
    """Whether there is something at ``path`` that is neither an ordinary file nor a folder."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def folder_of(path: str) -> str:
    """Where what is written on the way to ``path`` lies: on its disk, unless it is a device."""
    return tempfile.gettempdir() if is_device(path) else os.path.dirname(os.path.realpath(path))


@contextlib.contextmanager
def _device(path: str) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as f:
        yield f
        f.seek(0)
        with open(path, "wb") as device:
            shutil.copyfileobj(f, device)


@contextlib.contextmanager
def _renamed(place: str) -> Iterator[BinaryIO]:
    folder, name = os.path.split(place)
    # a long name and what is added may be longer than a name may be
    prefix = os.path.join(folder, f".fairseq_prune_{name[:50]}_")
    _remove_abandoned(prefix)
    f = _locked(prefix)
    # the lock is to last until the file has its name
    lock = os.dup(f.fileno())
    try:
        yield f
        f.close()  # before, for a network's file system may only now say that it has no room
        os.replace(f.name, place)
    finally:
        with contextlib.suppress(OSError):
            f.close()
        with contextlib.suppress(OSError):
            os.remove(f.name)
        os.close(lock)


def _locked(prefix: str) -> BinaryIO:
    while True:
        f = open(prefix + secrets.token_hex(4), "xb")
        with contextlib.suppress(OSError):  # not every file system has locks
            fcntl.flock(f, fcntl.LOCK_EX)
        if os.path.exists(f.name):
            return f
        f.close()  # it was taken for abandoned before it was locked


def _remove_abandoned(prefix: str) -> None:
    for path in glob.iglob(glob.escape(prefix) + "[0-9a-f]" * 8):
        with contextlib.suppress(OSError), open(path, "r+b") as f:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.remove(path)
