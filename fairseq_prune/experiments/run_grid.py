"""Making the points of a grid that are not made yet."""

import os
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Callable, Dict, List, Set

from ..checkpoints.folder_lock import clean_up
from ..checkpoints.prune_file import prune_checkpoint
from ..pruning import PruneError
from . import commands
from .grid import Grid
from .points import Point
from .progress import Progress
from .results import Results
from .scorer import Scorer
from .training import Training
from .versions import versions


class Stopped(Exception):
    """Work was given up because the grid was interrupted."""


class GridRun:
    """A grid being carried out in folder ``out``."""

    def __init__(self, grid: Grid, out: str, jobs: int, say: Callable[[str], None], more=()):
        """
        Args:
            jobs: trainings (or scorings) at a time.
            say: takes lines of progress.
            more: further options of every training.
        """
        self.grid, self.out, self.jobs, self.say, self.more = grid, out, jobs, say, list(more)
        self.results = Results(os.path.join(out, "results.jsonl"))
        self._cpu = "--cpu" in grid.train["all"]
        self._stop = threading.Event()
        self._scoring = threading.Lock()  # one model at a time in this process
        self._trainings: Set[Training] = set()

    def run(self, lock: int) -> List[str]:
        """Make what is not made; what went wrong, a sentence each.

        Args:
            lock: descriptor of the folder's lock, for the trainings.
        Raises:
            PruneError: a dense model could not be made or scored, or a folder is of another grid.
            KeyboardInterrupt: it was interrupted; trainings have been ended.
        """
        self._lock = lock
        left = [point for point in self.grid.points if not self._is_made(point)]
        made = [(record["kind"], record["seconds"]) for record in self.records()]
        self._progress = Progress([point.kind for point in left], made, self.jobs)
        if made:
            self.say(f"{len(made)} of {self._progress.total} points were made before")
        dense = [[point] for point in left if point.kind == "dense"]
        failed = self._all(self._dense, dense)
        if failed:
            raise PruneError(failed[0])
        by_seed: Dict[int, List[Point]] = {}
        for point in left:
            if point.kind == "pruned":
                by_seed.setdefault(point.seed, []).append(point)
        trained = [[p] for p in left if p.kind not in ("dense", "pruned")]
        first = self.jobs - 1  # trainings take longest, and scoring goes one by one
        return self._all(self._work, [*trained[:first], *by_seed.values(), *trained[first:]])

    def records(self) -> List[Dict[str, Any]]:
        """Results of the points that are made, by this grid's evaluation and no other."""
        return self.results.of([point for point in self.grid.points if self._is_made(point)])

    def _is_made(self, point: Point) -> bool:
        record = self.results.get(point)
        if record is None:
            return False
        if record["command"] != self._shown(point):
            raise PruneError(
                f"{self.out} holds {point} made by another command ({record['command']}); "
                f"take another --out, or remove that line of {self.results.path}"
            )
        return record["evaluate"] == self.grid.evaluate and record["data"] == self.grid.data

    def _all(self, work: Callable[[List[Point]], None], tasks: List[List[Point]]) -> List[str]:
        """Do ``tasks``, ``jobs`` at a time; what went wrong."""
        failed: List[str] = []
        with ThreadPoolExecutor(self.jobs) as pool:
            waiting: Set[Future] = set()
            try:
                waiting.update(pool.submit(work, task) for task in tasks)
                while waiting:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        try:
                            future.result()
                        except PruneError as error:
                            self.say(f"failed: {error}")
                            failed.append(str(error))
            except BaseException:
                self._stop.set()
                for future in waiting:
                    future.cancel()
                for training in list(self._trainings):
                    training.stop()
                raise
        return failed

    def _work(self, points: List[Point]) -> None:
        if points[0].kind == "pruned":
            self._pruned(points)
        else:
            self._trained(points[0])

    def _dense(self, points: List[Point]) -> None:
        (point,) = points
        if self.grid.dense is None:
            self._trained(point)
            return
        started = time.monotonic()
        self._score(point, commands.dense_checkpoint(self.grid, point, self.out), {}, started)

    def _pruned(self, points: List[Point]) -> None:
        checkpoint = commands.dense_checkpoint(self.grid, points[0], self.out)
        with self._scoring:
            self._check_stop()
            scorer = Scorer(checkpoint, self.grid, self._cpu)
            for point in points:
                started = time.monotonic()
                try:
                    scores = scorer.score_pruned(point.scheme, point.sparsity, self._stop.is_set)
                except PruneError as error:
                    raise PruneError(f"{point}: {error}") from error
                self._check_stop()
                self._add(point, scores, started)

    def _trained(self, point: Point) -> None:
        folder = os.path.join(self.out, point.folder)
        command = commands.training_command(self.grid, point, self.out)
        valid = self.grid.evaluate["valid"]
        training = Training(folder, command, str(point), valid, self.more)
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
        found = {"history": training.history()} if point.kind != "iterative" else {}
        self._score(point, self._checkpoint(point), found, time.monotonic() - seconds)

    def _make_mask(self, point: Point, mask: str) -> None:
        folder = os.path.dirname(mask)
        os.makedirs(folder, exist_ok=True)
        clean_up(folder)
        if not os.path.exists(mask):
            dense = commands.dense_checkpoint(self.grid, point, self.out)
            chosen = self.grid.include, self.grid.exclude
            prune_checkpoint(dense, mask, point.scheme, point.sparsity, *chosen)

    def _checkpoint(self, point: Point) -> str:
        folder = os.path.join(self.out, point.folder)
        if point.kind == "iterative":
            rounds = [name for name in os.listdir(folder) if name.startswith("round")]
            numbers = [int(name[5:]) for name in rounds if name[5:].isdigit()]
            folder = os.path.join(folder, f"round{max(numbers)}")
        return commands.best_checkpoint(self.grid, point, folder)

    def _score(self, point: Point, checkpoint: str, found: Dict[str, Any], started: float) -> None:
        with self._scoring:
            self._check_stop()
            if point.kind == "retrained":
                dense = commands.dense_checkpoint(self.grid, point, self.out)
                before = Scorer(dense, self.grid, self._cpu)
                found["pruned_perplexity"] = before.pruned_perplexity(point.scheme, point.sparsity)
            scores = Scorer(checkpoint, self.grid, self._cpu).score(self._stop.is_set)
            self._check_stop()
        self._add(point, {**scores, "checkpoint": checkpoint, **found}, started)

    def _add(self, point: Point, scores: Dict[str, Any], started: float) -> None:
        seconds = time.monotonic() - started
        record = {
            **scores,
            "seconds": round(seconds, 1),
            "command": self._shown(point),
            "data": self.grid.data,
            "evaluate": self.grid.evaluate,
            "versions": versions(),
        }
        self.results.add(point, record)
        found = f"perplexity {scores['perplexity']:.2f}"
        if scores["bleu"] is not None:
            found += f", BLEU {scores['bleu']:.2f}"
        self.say(f"{self._progress.finish(point.kind, seconds)} {point}: {found}")

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _shown(self, point: Point) -> str:
        return commands.shown(self.grid, point, self.out)
