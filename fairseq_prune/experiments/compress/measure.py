"""How long everything takes on this machine."""

import dataclasses
import datetime
import json
import os
import re
import statistics
import tempfile
import time
from typing import List, Optional

from ...analysis.translate import translate
from ...pruning import PruneError
from ..jobs import Job
from ..rounds import Rounds
from ..training import program
from .decode import Decoder
from .plan import Plan
from .scores import MOST
from .speed import Speed

#: Updates to measure, and how many of the first do not count: memory and caches are new.
UPDATES, FIRST = 16, 4
#: Sentences to translate together, and one by one.
TOGETHER, ALONE = 64, 8
_LINE = re.compile(r"\| train_inner \| (\{.*\})")
_CLOCK = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \|")


def measured(plan: Plan, target: float, decoder: Decoder, lock: int) -> Speed:
    """By training for a few updates, pruned to ``target``, in a folder that is gone afterwards,
    and translating a few sentences.

    Args:
        lock: as of ``Job``.
    Raises:
        PruneError: the training failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        rounds = dataclasses.replace(plan.rounds([target], [1]), out=folder)
        command = [
            *Rounds(rounds, lambda *_: None).command(1), "--max-update", str(UPDATES),
            "--no-save", "--log-interval", "1",
        ]  # fmt: skip
        path, started = os.path.join(folder, "log"), time.monotonic()
        with open(path, "w") as log, Job(program(command), lock, stdout=log, stderr=log) as job:
            status = job.wait()
        whole = time.monotonic() - started
        with open(path, encoding="utf-8", errors="replace") as f:
            lines = f.read().strip().split("\n")
    speed = read_speed(lines, plan.valid, whole)
    if status or speed is None:
        raise PruneError(f"the training cannot be timed: it ended with {lines[-1][:300]}")
    return _with_scoring(plan, speed, decoder)


def read_speed(lines: List[str], subset: str, whole: float) -> Optional[Speed]:
    """What the log of a training says, but of scoring; None: it says nothing.

    Args:
        subset: that it was validated on, once.
        whole: seconds it took, from when it was started.
    """
    rates = _rates(lines)
    if not rates:
        return None
    update = 1 / statistics.median(rates[min(FIRST, len(rates) // 2) :])
    begun, ended = (
        next(filter(None, (_clock(line) for line in lines if words in line)), None)
        for words in (f'begin validation on "{subset}"', f"| {subset} | {{")
    )
    validation = (ended - begun).total_seconds() if begun and ended else 0.0
    return Speed(update, validation, max(0.0, whole - len(rates) * update - validation))


def _with_scoring(plan: Plan, speed: Speed, decoder: Decoder) -> Speed:
    """By the time that some sentences take, together and one by one."""
    subsets = 2 * len(plan.subsets)  # dense and packed
    if plan.is_lm:
        return dataclasses.replace(speed, scoring=subsets * speed.validation)
    checkpoint, subset = plan.asked.checkpoint, plan.valid
    some = translate(decoder.config(checkpoint, subset), most=TOGETHER)
    each = some.seconds / max(1, len(some.texts))
    some = decoder.speed(checkpoint, subset, "dense", ALONE)
    alone = some.seconds / max(1, len(some.texts))
    texts = 2 * sum(plan.sentences[name] for name in plan.subsets)
    return dataclasses.replace(
        speed,
        trial=each * plan.sentences[subset],
        scoring=each * texts + alone * 2 * MOST + subsets * speed.validation,
    )


def _clock(line: str) -> Optional[datetime.datetime]:
    match = _CLOCK.search(line)
    return datetime.datetime.strptime(match[1], "%Y-%m-%d %H:%M:%S") if match else None


def _rates(lines: List[str]) -> List[float]:
    """Updates a second, as fairseq's lines have them."""
    rates = []
    for line in lines:
        match = _LINE.search(line)
        try:
            rate = float(json.loads(match[1])["ups"]) if match else 0.0
        except (ValueError, KeyError):
            continue
        if rate > 0:
            rates.append(rate)
    return rates
