"""A folder that one command at a time may work in."""

import fcntl
import os
import time
from contextlib import contextmanager
from typing import IO, Iterator

from .errors import PruneError

#: Seconds to wait for the trainings of a command that was killed, which end by themselves.
PATIENCE = 20.0


@contextmanager
def folder_lock(path: str, verb: str) -> Iterator[int]:
    """Hold folder ``path``, made if need be, as long as this process lives, or one that was
    given the yielded descriptor.

    Args:
        verb: of ``fairseq-prune``, for the message.
    Raises:
        PruneError: another process holds it, or the folder cannot be made.
    """
    try:
        os.makedirs(path, exist_ok=True)
        f = open(os.path.join(path, ".lock"), "a+b", buffering=0)
    except OSError as error:
        raise PruneError(f"--out {path} cannot be written: {error.strerror}") from error
    with f:
        until = time.monotonic() + PATIENCE
        while not _lock(f):
            if not _is_orphaned(f) or time.monotonic() > until:
                raise PruneError(
                    f"--out {path} is in use by another fairseq-prune {verb}, or by the "
                    f"training it started; wait for it or end it"
                )
            time.sleep(0.1)
        try:
            f.truncate(0)
            f.write(str(os.getpid()).encode())
        except OSError as error:
            raise PruneError(f"--out {path} cannot be written: {error.strerror}") from error
        yield f.fileno()


def _lock(f: IO) -> bool:
    try:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_orphaned(f: IO) -> bool:
    """Whether the command that took the lock is dead, so that only what it started holds it."""
    f.seek(0)
    try:
        os.kill(int(f.read()), 0)
    except ProcessLookupError:
        return True
    except (ValueError, OSError):
        pass
    return False
