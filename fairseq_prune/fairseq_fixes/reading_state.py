"""Looking at each checkpoint that training reads, before fairseq does.

fairseq's trainer reads a file and puts it to use in one go. What is to be changed of it in between
is changed as it is read; fairseq's function stays replaced, by one that has nothing to do most of
the time, so that what others make of it later is never undone.
"""

import functools
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List

from fairseq import checkpoint_utils

Prepare = Callable[[Dict[str, Any]], None]

_preparing: List[Prepare] = []


def read_and_prepare() -> None:
    """Let ``prepared`` work, in this process."""
    read = checkpoint_utils.load_checkpoint_to_cpu

    @functools.wraps(read)
    def load_checkpoint_to_cpu(*args, **kwargs):
        state = read(*args, **kwargs)
        for prepare in reversed(_preparing):
            prepare(state)
        return state

    checkpoint_utils.load_checkpoint_to_cpu = load_checkpoint_to_cpu


@contextmanager
def prepared(prepare: Prepare) -> Iterator[None]:
    """Meanwhile ``prepare``, which changes it in place, gets each checkpoint first."""
    _preparing.append(prepare)
    try:
        yield
    finally:
        _preparing.remove(prepare)
