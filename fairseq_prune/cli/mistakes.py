"""A user's mistake ends a command with one sentence."""

import contextlib
import sys
from typing import Iterator, Tuple, Type

from ..errors import PruneError, options_begin_with


@contextlib.contextmanager
def mistakes_in_a_sentence(program: str, *others: Type[Exception]) -> Iterator[None]:
    """Within it, a PruneError ends ``program`` with its sentence and status 1.

    Args:
        others: errors that say what is wrong as well, such as OSError of files that are not there.
    """
    told: Tuple[Type[Exception], ...] = (PruneError, *others)
    try:
        with options_begin_with("--"):
            yield
    except told as error:
        sys.exit(f"{program}: error: {error}")
