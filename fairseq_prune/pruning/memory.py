"""Running out of memory, told in a sentence."""

import contextlib
from typing import Iterator

from ..errors import PruneError

#: What torch says of a GPU, and of the machine (two ways).
_SAID = ("out of memory", "can't allocate memory", "not enough memory")


@contextlib.contextmanager
def told_of_memory(what: str) -> Iterator[None]:
    """Raise PruneError where ``what`` runs out of memory.

    fairseq's trainer goes on after a GPU has, without that update: unpruned.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = str(error).split("\n")[0]
        if not isinstance(error, MemoryError) and not any(words in said for words in _SAID):
            raise
        raise PruneError(
            f"{what} needs more memory than there is ({said}); take magnitude, or another score "
            f"that needs no data"
        ) from error
