"""A folder that one command at a time may work in."""

import fcntl
import os
import re
import shutil
from contextlib import contextmanager

from ..pruning import PruneError


def clean_up(path: str) -> None:
    """Remove what pruning a checkpoint into folder ``path`` left when it was killed."""
    for name in os.listdir(path):
        left = os.path.join(path, name)
        if name.startswith(".fairseq_prune_") and os.path.isdir(left):
            shutil.rmtree(left, ignore_errors=True)
        elif re.match(r"mask\d*\.pt\.tmp", name):
            os.remove(left)


@contextmanager
def folder_lock(path: str, verb: str):
    """Hold folder ``path``, made if need be, as long as this process lives, or one that was
    given the yielded descriptor.

    Args:
        verb: of ``fairseq-prune``, for the message.
    Raises:
        PruneError: another process holds it, or the folder cannot be made.
    """
    try:
        os.makedirs(path, exist_ok=True)
        f = open(os.path.join(path, ".lock"), "w", encoding="utf-8")
    except OSError as error:
        raise PruneError(f"--out {path} cannot be written: {error.strerror}") from error
    with f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PruneError(
                f"--out {path} is in use by another fairseq-prune {verb}, or by the "
                f"training it started; wait for it or end it"
            ) from None
        yield f.fileno()
