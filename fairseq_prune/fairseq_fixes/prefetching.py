"""The thread that makes batches ahead, when the program ends."""

import atexit
import queue
import threading
import time

from fairseq.data.iterators import BackgroundConsumer

#: A batch that takes longer to make is not waited for.
SECONDS = 30.0


def end_prefetching() -> None:
    """Have it end before the interpreter does: cut off within torch, it would abort the program,
    with another exit status than that of the error that ended it."""
    atexit.register(_end)


def _end() -> None:
    consumers = [t for t in threading.enumerate() if isinstance(t, BackgroundConsumer)]
    for consumer in consumers:
        consumer._max_len = 0  # the batch in hand is its last
    until = time.monotonic() + SECONDS
    for consumer in consumers:
        while consumer.is_alive() and time.monotonic() < until:
            try:  # it may wait for room
                consumer._queue.get(timeout=0.05)
            except queue.Empty:
                pass
