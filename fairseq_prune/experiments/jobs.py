"""Commands that run beside this process, and end with it."""

import os
import shutil
import subprocess
import sys
from typing import IO, Dict, List, Optional

import torch

from ..pruning import PruneError
from .allocation import keep_freed_memory

_KEEPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keeper.py")


class Job:
    """A command in a session of its own, which ends, and all that it has started, when this
    object is left, ``end`` is called, or this process ends, whatever ends it.

    A ``keeper`` process sees to that: it holds the other end of a pipe, and this process has
    none but that closes with it. Keyboards' signals do not reach the command.
    """

    def __init__(
        self,
        command: List[str],
        lock: int,
        stdout: Optional[IO] = None,
        stderr: Optional[IO] = None,
        env: Optional[Dict[str, str]] = None,
    ):
        """
        Args:
            command: with ``--cpu`` among its words it sees no GPU. Without a GPU, it keeps
                the memory that it frees.
            lock: descriptor that the command keeps open, so that no one else takes the
                folder it works in while it lives.
        Raises:
            PruneError: there is no such command.
        """
        if shutil.which(command[0]) is None:
            raise PruneError(f"{command[0]} cannot be run: there is no such program")
        if "--cpu" in command:
            # fairseq clips gradients on a GPU all the same, where it sees one
            env = {**(os.environ if env is None else env), "CUDA_VISIBLE_DEVICES": ""}
        if "--cpu" in command or not torch.cuda.is_available():
            env = keep_freed_memory(os.environ if env is None else env)
        held, hold = os.pipe()
        self._hold: Optional[int] = hold
        try:
            # neither this package nor torch is imported there
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", _KEEPER, *command],
                stdin=held, stdout=stdout, stderr=stderr, pass_fds=(lock,),
                start_new_session=True, env=env,
            )  # fmt: skip
        finally:
            os.close(held)

    def wait(self, seconds: Optional[float] = None) -> Optional[int]:
        """The exit status once it is over (128 + N: signal N); None: not after ``seconds``."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Let it end; ``wait`` says when it has."""
        hold, self._hold = self._hold, None
        if hold is not None:
            os.close(hold)

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_) -> None:
        self.end()
        self.wait()
