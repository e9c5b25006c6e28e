"""A command that is told to end ends in order."""

import signal
from contextlib import contextmanager
from typing import Iterator

#: Ctrl-C, kill, and the terminal's closing.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption(KeyboardInterrupt):
    """This process was told to end, by a signal of number ``number``."""

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


@contextmanager
def interruptible() -> Iterator[None]:
    """Within, the first of ``SIGNALS`` raises ``Interruption``, so that what is written or running
    is ended on the way out; further ones change nothing. One that is ignored (``nohup``) stays so.
    """

    def interrupt(number, _):
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        raise Interruption(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: how for number, how in before.items() if how is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, how in before.items():
            signal.signal(number, how)
