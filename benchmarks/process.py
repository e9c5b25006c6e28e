"""Functions called in processes of their own, so that memory and caches are theirs alone."""

import contextlib
import importlib
import io
import json
import subprocess
import sys

MEMORY = "/proc/self/status"


def call(function: str, *args, env=None):
    """What ``function`` ("module:name") of this package returns, in a new process, as JSON."""
    code = f"import benchmarks.process as p; p.child({function!r}, *{args!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode()[-4000:])
    return json.loads(done.stdout.decode().splitlines()[-1])


def child(function: str, *args) -> None:
    module, name = function.split(":")
    with contextlib.redirect_stdout(io.StringIO()):
        result = getattr(importlib.import_module(f"benchmarks.{module}"), name)(*args)
    print(json.dumps(result))


def held_kib(what: str = "VmRSS") -> int:
    """The memory this process holds, in KiB; "VmHWM": the most it has held."""
    with open(MEMORY) as f:
        return next(int(line.split()[1]) for line in f if line.startswith(what))
