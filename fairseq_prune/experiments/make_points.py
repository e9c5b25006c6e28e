"""Making points: training what has to be trained, and scoring."""

import os
import threading
import time
from typing import Any, Callable, Dict, List, Set

from ..analysis.choose import choose_for
from ..analysis.translate import Stopped
from ..checkpoints.prune_file import prune_checkpoint
from ..pruning import PruneError
from . import commands
from .grid import Grid
from .points import Point
from .results import Results, versions
from .scorer import Scorer
from .training import Training


class PointMaker:
    """Makes points of a grid and adds them to its results. Threads may share one."""

    def __init__(
        self,
        grid: Grid,
        out: str,
        results: Results,
        say: Callable[[str], None],
        made: Callable[[Point, Dict[str, Any], float], None],
        more: List[str],
        lock: int,
    ):
        """
        Args:
            out: the grid's folder.
            say: takes lines of progress.
            made: called with each point, its scores and the seconds it took.
            more: further options of every training.
            lock: descriptor of the folder's lock, for the trainings.
        """
        self.grid, self.out, self.results = grid, out, results
        self.say, self._made, self._more, self._lock = say, made, more, lock
        self._cpu = "--cpu" in grid.train["all"]
        self._stop = threading.Event()
        self._scoring = threading.Lock()  # one model at a time in this process
        self._trainings: Set[Training] = set()

    def stop(self) -> None:
        """End the trainings, and all else at the next occasion; work in hand raises Stopped."""
        self._stop.set()
        for training in list(self._trainings):
            training.stop()

    def make(self, points: List[Point]) -> None:
        """Make one point, or the pruned points of one seed.

        Raises:
            PruneError: a training failed, or something cannot be pruned or scored.
            Stopped: ``stop`` was called.
        """
        if points[0].kind == "pruned":
            self._pruned(points)
        elif points[0].kind == "dense" and self.grid.dense is not None:
            checkpoint = commands.dense_checkpoint(self.grid, points[0], self.out)
            self._score(points[0], checkpoint, {}, time.monotonic())
        else:
            self._trained(points[0])

    def _pruned(self, points: List[Point]) -> None:
        checkpoint = commands.dense_checkpoint(self.grid, points[0], self.out)
        with self._scoring:
            self._check_stop()
            scorer = Scorer(checkpoint, self.grid, self._cpu)
            failed = []
            for point in points:
                started = time.monotonic()
                try:
                    scores = scorer.score_pruned(point, self._stop.is_set)
                except PruneError as error:
                    failed.append(f"{point}: {error}")
                    continue
                self._check_stop()
                self._add(point, scores, started)
        if failed:
            raise PruneError("; ".join(failed))

    def _trained(self, point: Point) -> None:
        folder = os.path.join(self.out, point.folder)
        command = commands.training_command(self.grid, point, self.out)
        valid = self.grid.evaluate["valid"]
        training = Training(folder, command, str(point), valid, self._more)
        mask = commands.mask_file(point, self.out)
        self._trainings.add(training)
        try:
            self._check_stop()
            if point.kind == "from-start" and not training.state()["finished"]:
                self._make_mask(point, mask)
            seconds = training.run(self.say, self._lock)
        except PruneError:
            self._check_stop()
            raise
        finally:
            self._trainings.discard(training)
        if os.path.exists(mask):
            os.remove(mask)
        extra = {"history": training.history()} if point.kind != "iterative" else {}
        self._score(point, self._checkpoint(point), extra, time.monotonic() - seconds)

    def _make_mask(self, point: Point, mask: str) -> None:
        folder = os.path.dirname(mask)
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(mask):
            dense = commands.dense_checkpoint(self.grid, point, self.out)
            patterns = self.grid.include, self.grid.exclude
            choose = choose_for(
                dense, point.choice(self.grid.calibration), point.sparsity, self.grid.data
            )
            prune_checkpoint(dense, mask, choose, point.sparsity, *patterns)

    def _checkpoint(self, point: Point) -> str:
        folder = os.path.join(self.out, point.folder)
        if point.kind == "iterative":
            rounds = [name for name in os.listdir(folder) if name.startswith("round")]
            numbers = [int(name[5:]) for name in rounds if name[5:].isdigit()]
            folder = os.path.join(folder, f"round{max(numbers)}")
        return commands.best_checkpoint(self.grid, point, folder)

    def _score(self, point: Point, checkpoint: str, extra: Dict[str, Any], started: float) -> None:
        with self._scoring:
            self._check_stop()
            if point.kind == "retrained" and commands.prunes_first(self.grid, point):
                dense = commands.dense_checkpoint(self.grid, point, self.out)
                before = Scorer(dense, self.grid, self._cpu)
                extra["pruned_perplexity"] = before.pruned_perplexity(point)
            scores = Scorer(checkpoint, self.grid, self._cpu).score(point.kind, self._stop.is_set)
            self._check_stop()
        self._add(point, {**scores, "checkpoint": checkpoint, **extra}, started)

    def _add(self, point: Point, scores: Dict[str, Any], started: float) -> None:
        seconds = time.monotonic() - started
        record = {
            **scores,
            "seconds": round(seconds, 3),
            "command": commands.shown(self.grid, point, self.out),
            "data": self.grid.data,
            "evaluate": self.grid.evaluate,
            "versions": versions(),
        }
        self.results.add(point, record)
        self._made(point, scores, seconds)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped
