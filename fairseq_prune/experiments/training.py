"""One training of a grid: started, gone on with, and remembered as done."""

import glob
import json
import os
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Sequence

from ..checkpoints.writing import write_text
from ..pruning import PruneError
from .history import history
from .jobs import Job

#: Seconds between looks at a running training.
POLL = 2.0
#: Lines at the end of a log among which its error is looked for.
LAST = 20


class Training:
    """A training command with a folder of its own, for its checkpoints and ``train.log``.

    ``training.json`` there holds the command, the seconds it has taken and whether it is
    finished, so that another grid's folder is not taken for this one's.
    """

    def __init__(
        self, folder: str, command: List[str], name: str, subset: str = "valid", more: Sequence = ()
    ):
        """
        Args:
            name: what it is called in progress and errors.
            subset: the one whose validations are of interest.
            more: further options, which make no other training of it (where it is tracked).
        """
        self.folder, self.command, self.name, self.subset = folder, command, name, subset
        self._more = list(more)
        self.log = os.path.join(folder, "train.log")
        self._state_path = os.path.join(folder, "training.json")
        self._job: Optional[Job] = None
        self._stopped = False

    def found(self) -> Dict[str, Any]:
        """What the folder says of its training, with whatever command; else that none has begun.

        Raises:
            PruneError: it cannot be read.
        """
        if not os.path.exists(self._state_path):
            return self._new()
        try:
            with open(self._state_path, encoding="utf-8") as f:
                content = json.load(f)
            return {**content, "command": content["command"], "seconds": content["seconds"]}
        except (ValueError, KeyError, TypeError) as error:
            raise PruneError(f"{self._state_path} is damaged; remove {self.folder}") from error

    def _new(self) -> Dict[str, Any]:
        return {"command": self.command, "seconds": 0.0, "finished": False}

    def state(self) -> Dict[str, Any]:
        """
        Raises:
            PruneError: what is in the folder was made by another command.
        """
        state = self.found()
        was = state["command"]
        if was != self.command and not self.has_checkpoints():
            return self._new()
        if was != self.command:
            changed = [word for word in self.command if word not in was]
            changed = changed or [word for word in was if word not in self.command]
            raise PruneError(
                f"{self.folder} holds a training with other options ({' '.join(changed)}); "
                f"remove it, or take another --out"
            )
        return state

    def go_on_with(self, command: List[str]) -> None:
        """Have ``command`` be the one of the training that has begun."""
        self.command = command
        self._write({**self.found(), "command": command})

    def run(self, say: Callable[[str], None], lock: int) -> float:
        """Train until finished; the seconds it took, all sessions together.

        Args:
            say: told of each validation.
            lock: descriptor that the training keeps open, so that no one else takes the
                grid's folder while it lives.
        Raises:
            PruneError: it failed.
        """
        state = self.state()
        if not state["finished"]:
            os.makedirs(self.folder, exist_ok=True)
            self._write(state)
            if not self._is_over():
                self._train(state, say, lock)
            self._write({**state, "finished": True})
        return state["seconds"]

    def _train(self, state: Dict[str, Any], say: Callable[[str], None], lock: int) -> None:
        before, started = state["seconds"], time.monotonic()
        with open(self.log, "a", encoding="utf-8") as log:
            seen = log.tell()
            if self._stopped:
                raise PruneError(f"{self.name}: stopped")
            self._job = Job(
                program(self.command + self._more), lock, stdout=log, stderr=log,
                env={"WANDB_NAME": self.name, **os.environ},
            )  # fmt: skip
        status = None
        with self._job as job:
            if self._stopped:
                job.end()
            while status is None:
                status = job.wait(POLL)
                seen = self._tell(say, seen)
                state["seconds"] = before + time.monotonic() - started
                self._write(state)
        if status:
            raise PruneError(
                f"{self.name}: the training failed (exit status {status}): {self._error()}; "
                f"all it said is in {self.log}"
            )

    def stop(self) -> None:
        """End the training if it runs; the next ``run`` goes on from its last checkpoint."""
        self._stopped = True
        if self._job is not None:
            self._job.end()

    def _is_over(self) -> bool:
        """Whether the training came to its end while no one was waiting for it.

        fairseq would make one more update if it were started again.
        """
        if self.command[0] == "fairseq-prune" or not os.path.exists(self.log):
            return False
        return "| done training in " in self._last_words()[0] and self.has_checkpoints()

    def has_checkpoints(self) -> bool:
        """Whether its folder has any."""
        pattern = os.path.join(glob.escape(self.folder), "**", "checkpoint*.pt")
        return any(glob.iglob(pattern, recursive=True))

    def history(self) -> List[Dict[str, float]]:
        """Its validations so far (see ``history``)."""
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return history(f, self.subset)

    def _last_words(self, count: int = 1) -> List[str]:
        with open(self.log, encoding="utf-8", errors="replace") as f:
            lines = [line.strip()[:300] for line in f if line.strip()]
        return lines[-count:] or ["it said nothing"]

    def _error(self) -> str:
        """The sentence that the training ended with; others of its process may speak after it."""
        words = self._last_words(LAST)
        return next((line for line in reversed(words) if "error: " in line), words[-1])

    def _tell(self, say: Callable[[str], None], seen: int) -> int:
        with open(self.log, "rb") as f:
            f.seek(seen)
            new = f.read()
        new = new[: new.rfind(b"\n") + 1]
        for valid in history(new.decode("utf-8", "replace").splitlines(), self.subset):
            say(f"{self.name}: {valid['updates']} updates, {valid['loss']:.3f} bits a token")
        return seen + len(new)

    def _write(self, state: Dict[str, Any]) -> None:
        write_text(self._state_path, json.dumps(state, indent=1))


def program(command: List[str]) -> List[str]:
    """``command`` with the programs of this environment."""
    if command[0] == "fairseq-prune":
        inner = command.index("--") + 1 if "--" in command else len(command)
        rest = program(command[inner:]) if command[inner:] else []
        return [sys.executable, "-m", "fairseq_prune.cli.main", *command[1:inner], *rest]
    beside = os.path.join(os.path.dirname(sys.executable), command[0])
    return [beside if os.path.exists(beside) else command[0], *command[1:]]
