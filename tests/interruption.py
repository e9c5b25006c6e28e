"""Commands that start trainings, told to end in the middle of one."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

#: Before a training command, of the shell: what the training has started, besides itself.
WITH_A_CHILD = ("sh", "-c", 'sleep 1000 & echo $! > "$CHILD"; exec "$@"', "sh")


def interrupt(run, out, how):
    """Send signal ``how`` to a command that works in folder ``out`` once its training has made
    two updates, and see that the training ends with it, and all that it has started.

    Args:
        run: runs the command; takes ``ok`` and ``env`` as ``commands.run``.
    """
    halted, child = (out.with_name(f"{out.name}.{name}") for name in ("halted", "child"))
    killed = how == signal.SIGKILL
    env = {"KILL": f"halt 2 {halted}", "CHILD": str(child)}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, ok=-how if killed else 128 + how, env=env)
        _wait(lambda: halted.exists() or running.done())
        os.kill(int((out / ".lock").read_text()), how)
        said = running.result()
    assert killed or f"interrupted; the same command goes on in {out}" in said.splitlines()[-1]
    assert "Traceback" not in said
    for path in (halted, child):
        if path.exists():
            _wait(lambda: _is_over(int(path.read_text())))  # noqa: B023
    assert not list(out.rglob(".fairseq_prune_*"))


def _is_over(process):
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return False
    return True


def _wait(condition):
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
