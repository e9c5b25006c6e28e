"""Carrying out a grid: what is not made yet, in order, several at a time."""

import os
from typing import Any, Callable, Dict, List

from ..pruning import PruneError
from . import commands
from .grid import Grid
from .make_points import PointMaker
from .points import Point
from .progress import Progress
from .results import Results
from .side_by_side import do_side_by_side


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

    def run(self, lock: int) -> List[str]:
        """Make what is not made; what went wrong, a sentence each.

        Args:
            lock: descriptor of the folder's lock, for the trainings.
        Raises:
            PruneError: a dense model could not be made or scored, or a folder is of another grid.
            KeyboardInterrupt: it was interrupted; trainings have been ended.
        """
        made = self.records()
        left = [point for point in self.grid.points if not self._is_made(point)]
        done = [(record["kind"], record["seconds"]) for record in made]
        self._progress = Progress([point.kind for point in left], done, self.jobs)
        if made:
            self.say(f"{len(made)} of {self._progress.total} points were made before")
        maker = PointMaker(self.grid, self.out, self.results, self.say, self._tell, self.more, lock)
        failed = self._all(maker, [[point] for point in left if point.kind == "dense"])
        if failed:
            raise PruneError(failed[0])
        pruned: Dict[int, List[Point]] = {}
        for point in left:
            if point.kind == "pruned":
                pruned.setdefault(point.seed, []).append(point)
        trained = [[point] for point in left if point.kind not in ("dense", "pruned")]
        first = self.jobs - 1  # trainings take longest, and scoring goes one by one
        return self._all(maker, [*trained[:first], *pruned.values(), *trained[first:]])

    def records(self) -> List[Dict[str, Any]]:
        """Results of the points that are made, by this grid's evaluation and no other."""
        return self.results.of([point for point in self.grid.points if self._is_made(point)])

    def _is_made(self, point: Point) -> bool:
        record = self.results.get(point)
        if record is None:
            return False
        if record["command"] != commands.shown(self.grid, point, self.out):
            raise PruneError(
                f"{self.out} holds {point} made by another command ({record['command']}); "
                f"take another --out, or remove that line of {self.results.path}"
            )
        return record["evaluate"] == self.grid.evaluate and record["data"] == self.grid.data

    def _all(self, maker: PointMaker, tasks: List[List[Point]]) -> List[str]:
        return do_side_by_side(tasks, self.jobs, maker.make, maker.stop, self.say)

    def _tell(self, point: Point, scores: Dict[str, Any], seconds: float) -> None:
        text = f"perplexity {scores['perplexity']:.2f}"
        if scores["bleu"] is not None:
            text += f", BLEU {scores['bleu']:.2f}"
            if scores["left_out"]:
                text += f" ({scores['left_out']} sentences left out)"
        self.say(f"{self._progress.finish(point.kind, seconds)} {point}: {text}")
