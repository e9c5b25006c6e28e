"""How long an update takes on this machine."""

import dataclasses
import json
import os
import re
import statistics
import tempfile
from typing import List

from ...pruning import PruneError
from ..jobs import Job
from ..rounds import Rounds
from ..training import program
from .plan import Plan

#: Updates to measure, and how many of the first do not count: memory and caches are new.
UPDATES, FIRST = 16, 4
_LINE = re.compile(r"\| train_inner \| (\{.*\})")


def seconds_an_update(plan: Plan, target: float, lock: int) -> float:
    """By training for a few updates, pruned to ``target``, in a folder that is gone afterwards.

    Args:
        lock: as of ``Job``.
    Raises:
        PruneError: the training failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        rounds = dataclasses.replace(plan.rounds([target], [1]), out=folder)
        command = [
            *Rounds(rounds, lambda *_: None).command(1), "--max-update", str(UPDATES),
            "--disable-validation", "--no-save", "--log-interval", "1",
        ]  # fmt: skip
        path = os.path.join(folder, "log")
        with open(path, "w") as log, Job(program(command), lock, stdout=log, stderr=log) as job:
            status = job.wait()
        with open(path, encoding="utf-8", errors="replace") as f:
            lines = f.read().strip().split("\n")
    rates = _rates(lines)
    if status or not rates:
        raise PruneError(f"the training cannot be timed: it ended with {lines[-1][:300]}")
    return 1 / statistics.median(rates[min(FIRST, len(rates) // 2) :])


def _rates(lines: List[str]) -> List[float]:
    """Updates a second, as fairseq's lines have them."""
    found = []
    for line in lines:
        match = _LINE.search(line)
        try:
            rate = float(json.loads(match[1])["ups"]) if match else 0.0
        except (ValueError, KeyError):
            continue
        if rate > 0:
            found.append(rate)
    return found
