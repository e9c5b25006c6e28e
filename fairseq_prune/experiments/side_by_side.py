"""Doing many things, some at a time."""

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Callable, Dict, List, Sequence, TypeVar

from ..pruning import PruneError

Task = TypeVar("Task")


def do_side_by_side(
    tasks: Sequence[Task],
    jobs: int,
    do: Callable[[Task], None],
    stop: Callable[[], None],
    say: Callable[[str], None],
    finished: Callable[[Task], None] = lambda task: None,
    is_ready: Callable[[Task], bool] = lambda task: True,
) -> List[str]:
    """Do ``tasks`` in their order, ``jobs`` at a time in threads; what went wrong, a sentence each.

    Args:
        do: raises PruneError where it cannot.
        stop: ends what is being done, when anything else is raised, as by an interruption.
        say: takes lines of progress.
        finished: called with each that was done.
        is_ready: whether a task can be begun now; those that wait for what failed never are.
    """
    left: List[Task] = list(tasks)
    failed: List[str] = []
    running: Dict[Future, Task] = {}
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while left or running:
                _begin(pool, left, jobs, do, is_ready, running)
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    try:
                        future.result()
                        finished(task)
                    except PruneError as error:
                        say(f"failed: {error}")
                        failed.append(str(error))
        except BaseException:
            stop()
            raise
    return failed


def _begin(
    pool: ThreadPoolExecutor,
    left: List[Task],
    jobs: int,
    do: Callable[[Task], None],
    is_ready: Callable[[Task], bool],
    running: Dict[Future, Task],
) -> None:
    """Begin those of ``left`` that are ready while there is room, and move them to ``running``."""
    for task in [task for task in left if is_ready(task)][: jobs - len(running)]:
        left.remove(task)
        running[pool.submit(do, task)] = task
