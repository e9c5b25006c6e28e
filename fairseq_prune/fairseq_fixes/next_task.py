"""The task that one of fairseq's commands sets up next, in this process, handed over."""

import functools
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List

from fairseq import tasks

_waiting: List[Callable[[Any], None]] = []


def hand_over_tasks() -> None:
    """Let ``next_task`` work, in this process."""
    set_up = tasks.setup_task

    @functools.wraps(set_up)
    def setup_task(cfg, **kwargs):
        # first: what the task sets up itself, or comes after, is another (that of --lm-path)
        waiting = _waiting.pop() if _waiting else None
        task = set_up(cfg, **kwargs)
        if waiting is not None:
            waiting(task)
        return task

    tasks.setup_task = setup_task


@contextmanager
def next_task(take: Callable[[Any], None]) -> Iterator[None]:
    """Meanwhile ``take`` gets the first task that is set up, before anyone uses it."""
    before = list(_waiting)
    _waiting.append(take)
    try:
        yield
    finally:
        _waiting[:] = before
