"""Runs a command and ends it, with all that it has started, when standard input is closed.

    python keeper.py COMMAND ...

Standard input is a pipe that the process that wants the command holds open, so that it is
closed when that process ends in whatever way. A program of its own, which imports nothing of
this package: a process that is killed cannot end others, and signals to a child alone (Linux's
PR_SET_PDEATHSIG) do not reach those that the child has started.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

#: Seconds from SIGTERM to SIGKILL.
GRACE = 10.0
#: of Linux's prctl: those whose parent has ended become children of this process
_PR_SET_CHILD_SUBREAPER = 36


def main(command) -> int:
    # the one who holds the pipe decides; not SIG_IGN, which the command would inherit
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, close_fds=False, preexec_fn=os.setpgrp
        )
    except OSError as error:
        sys.exit(f"{command[0]} cannot be run: {error.strerror}")
    group = process.pid
    threading.Thread(target=_end_when_closed, args=(group,), daemon=True).start()
    status = _wait(group)
    _end_group(group)  # where there is no Linux, what is left
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _wait(group: int) -> int:
    """Wait for all of ``group``, which ends when its leader has; how the leader ended."""
    status = 0
    with contextlib.suppress(ChildProcessError):
        while True:
            process, how = os.waitpid(-group, 0)
            if process == group:
                status = how
                threading.Thread(target=_end_group, args=(group,), daemon=True).start()
    return status


def _end_when_closed(group: int) -> None:
    os.read(0, 1)
    _end_group(group)


def _end_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            os.killpg(group, 0)
            time.sleep(0.01)
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
