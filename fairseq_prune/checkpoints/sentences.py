"""What ends a command of fairseq with a sentence, and is an error to who calls fairseq's functions.

fairseq's functions are called by its commands, which know nothing of ``PruneError`` and in training
take an ``Exception`` for a crash; and by this package, whose callers may want to catch it.
"""

from contextlib import contextmanager
from typing import Iterator

from ..pruning import PruneError


@contextmanager
def exits() -> Iterator[None]:
    """In a function that fairseq calls: PruneError ends the command."""
    try:
        yield
    except PruneError as error:
        raise SystemExit(f"fairseq_prune: error: {error}") from error


@contextmanager
def catchable() -> Iterator[None]:
    """Around a call of such a function: the PruneError again."""
    try:
        yield
    except SystemExit as ended:
        if isinstance(ended.__cause__, PruneError):
            raise ended.__cause__ from None
        raise
