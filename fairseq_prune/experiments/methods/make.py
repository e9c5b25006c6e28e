"""Making the models of a plan: what is not made yet, several at a time."""

import hashlib
import json
import os
import threading
import time
from typing import Any, Callable, Dict, List, Optional

from ...checkpoints.writing import write_text
from ...pruning import PruneError
from ..side_by_side import do_side_by_side
from ..training import Training
from .commands import Step, shown, steps
from .read import Method, Plan


class MethodMaker:
    """A plan being carried out in folder ``out``; each method has a folder there.

    ``made.json`` in it holds the commands, so that what other options made is not taken for
    this plan's, the seconds of its own training, and a digest of the ``made.json`` of the
    method it begins with, so that a model is not taken for one of what is there now.
    """

    def __init__(
        self,
        plan: Plan,
        out: str,
        jobs: int,
        say: Callable[[str], None],
        call: Callable[[List[str]], None],
        lock: int,
    ):
        """
        Args:
            call: carries out a command of fairseq-prune, or raises PruneError.
            jobs: trainings at a time.
            say: takes lines of progress.
            lock: descriptor of the folder's lock, for the trainings.
        """
        self.plan, self.out, self._jobs, self._say, self._lock = plan, out, jobs, say, lock
        self._call, self._calling = call, threading.Lock()
        self._trainings: List[Training] = []
        self._stopped = threading.Event()

    def packed(self, method: Method) -> str:
        return os.path.join(self.out, method.folder, "model.packed")

    def record(self, method: Method) -> Dict[str, Any]:
        """What ``made.json`` says; empty if the method is not made.

        Raises:
            PruneError: it was made by other commands, or of another model than is there now.
        """
        folder = os.path.join(self.out, method.folder)
        try:
            with open(os.path.join(folder, "made.json"), encoding="utf-8") as f:
                record = json.load(f)
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise PruneError(f"{folder}/made.json is damaged; remove {folder}") from error
        if record.get("commands") != shown(self.plan, method, self.out):
            raise PruneError(
                f"{folder} holds {method.name} made by other commands; remove it, or take "
                f"another --out"
            )
        if not os.path.exists(self.packed(method)):
            return {}
        beginning = self._beginning(method)
        if record.get("begins_with", beginning) != beginning:
            raise PruneError(
                f"{folder} holds {method.name} made of another {method.start} than is there "
                f"now; remove it, too"
            )
        return record

    def _beginning(self, method: Method) -> Optional[str]:
        """Digest of what ``method`` begins with; None: of nothing that is made."""
        if method.start is None:
            return None
        folder = self.plan.methods[method.start].folder
        try:
            with open(os.path.join(self.out, folder, "made.json"), "rb") as f:
                return hashlib.sha256(f.read()).hexdigest()
        except FileNotFoundError:
            return None

    def run(self) -> List[str]:
        """Make all; what went wrong, a sentence each.

        Raises:
            PruneError: a folder holds what other commands made.
            KeyboardInterrupt: it was interrupted; trainings have been ended.
        """
        done = {name for name, method in self.plan.methods.items() if self.record(method)}
        left = [method for name, method in self.plan.methods.items() if name not in done]
        if done:
            self._say(f"{len(done)} of {len(self.plan.methods)} were made before")

        def finished(method: Method) -> None:
            done.add(method.name)
            self._say(f"[{len(done)}/{len(self.plan.methods)}] {method.name}")

        return do_side_by_side(
            left, self._jobs, self._make, self._stop, self._say, finished,
            is_ready=lambda method: method.start is None or method.start in done,
        )  # fmt: skip

    def _stop(self) -> None:
        self._stopped.set()
        for training in self._trainings:
            training.stop()

    def _make(self, method: Method) -> None:
        folder = os.path.join(self.out, method.folder)
        os.makedirs(folder, exist_ok=True)
        seconds = 0.0
        for step in steps(self.plan, method, self.out):
            if self._stopped.is_set():
                raise PruneError(f"{method.name}: stopped")
            if step.trains:
                training = Training(folder, step.command, method.name)
                self._trainings.append(training)
                seconds = training.run(self._say, self._lock)
            else:
                self._carry_out(step, method.name)
        record = {
            "commands": shown(self.plan, method, self.out),
            "begins_with": self._beginning(method),
            "seconds": seconds,
            "made": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        write_text(os.path.join(folder, "made.json"), json.dumps(record, indent=1))

    def _carry_out(self, step: Step, name: str) -> None:
        try:
            with self._calling:  # they say what they do on the same stdout
                self._call(step.command)
        except PruneError as error:
            raise PruneError(f"{name}: {error}") from error
