"""Decoding as ``fairseq-generate`` does it, in this process: by its own code."""

import functools
import logging
import math
import os
import re
import tempfile
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

import torch
from fairseq.tasks import FairseqTask
from fairseq_cli import generate

from ..fairseq_fixes.next_task import next_task
from ..fairseq_fixes.own_weights import encode_with_own_weights
from ..pruning import PruneError
from .some_sentences import evenly

#: A task's ``inference_step``.
Step = Callable[..., Any]


@dataclass
class Translations:
    """What came of it, by the numbers of the sentences, which need not be all of the subset.

    Attributes:
        texts: the best translation of each, as in the D lines of fairseq-generate.
        scores: their log-probability over length, as in its H lines, but to base e.
        references: the T lines; empty where the data has no target.
        total: sentences in the subset.
        seconds: in beam search.
    """

    texts: Dict[int, str]
    scores: Dict[int, float]
    references: Dict[int, str]
    total: int
    seconds: float

    @property
    def left_out(self) -> int:
        """Sentences of the subset that were not translated: too long, or another part."""
        return self.total - len(self.texts)


class Stopped(Exception):
    """Work was given up: a ``Watch`` has seen enough, or whoever wanted it wants it no more."""


def translate(
    cfg: Any,
    warm_up: bool = False,
    stop: Callable[[], bool] = lambda: False,
    most: Optional[int] = None,
) -> Translations:
    """Translate what ``cfg``, a configuration of fairseq-generate, asks for.

    Args:
        warm_up: whether to translate the first batch twice, the first time without counting its
            time: the runtime ``auto`` chooses then.
        stop: asked before each batch whether to give up.
        most: sentences to translate, of all lengths that there are; None: all.
    Raises:
        Stopped: ``stop`` said so.
        PruneError: what fairseq cannot do, with what it said.
    """
    choose = None if most is None else functools.partial(evenly, most=most)
    return run_generate(cfg, _Stopwatch(warm_up, stop, choose))


def run_generate(cfg: Any, watch: "Watch") -> Translations:
    """``fairseq-generate``, whose task translates by ``watch.see``.

    Raises:
        Stopped: that raised it.
        PruneError: what fairseq cannot do, with what it said.
    """
    logging.basicConfig()  # otherwise generate does, to its results
    with tempfile.TemporaryDirectory() as folder, next_task(watch.take):
        cfg.common_eval.results_path = folder
        try:
            generate.main(cfg)
        except Stopped:
            raise
        except ZeroDivisionError as error:
            raise PruneError(
                f"generate: no sentence of {cfg.dataset.gen_subset} is short enough for the model"
            ) from error
        except SystemExit as error:
            raise PruneError(str(error).split("error: ", 1)[-1]) from error
        except Exception as error:  # fairseq raises no narrower ones
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise PruneError(f"generate: {reason}") from error
        with open(os.path.join(folder, os.listdir(folder)[0]), encoding="utf-8", newline="\n") as f:
            return watch.read(f, cfg.dataset.gen_subset)


class Watch:
    """Sees each batch that the next task translates.

    Attributes:
        seconds: in beam search.
    """

    def __init__(self, choose: Optional[Callable[[Any], Any]] = None):
        """
        Args:
            choose: from the dataset to the part of it that is translated.
        """
        self._choose = choose
        self._task: FairseqTask = None  # until it is taken
        self.seconds = 0.0

    def see(self, step: Step, generator: Any, models: Sequence[Any], *args, **kwargs) -> Any:
        """Hypotheses of a batch; ``step`` is the task's own ``inference_step``."""
        raise NotImplementedError

    def see_batches(self, dataset: Any, batches: Sequence[Sequence[int]]) -> None:
        """What will be translated."""

    def take(self, task: FairseqTask) -> None:
        """Watch ``task``."""
        self._task = task
        task.inference_step = functools.partial(self.see, task.inference_step)
        task.get_batch_iterator = functools.partial(self._batches, task.get_batch_iterator)
        task.load_dataset = functools.partial(self._load, task.load_dataset)

    def _load(self, load, split, *args, **kwargs):
        load(split, *args, **kwargs)
        if self._choose is not None:
            self._task.datasets[split] = self._choose(self._task.datasets[split])

    def _batches(self, make, dataset, num_shards=1, shard_id=0, **kwargs):
        batches = make(dataset=dataset, num_shards=num_shards, shard_id=shard_id, **kwargs)
        self.see_batches(dataset, batches.frozen_batches[shard_id::num_shards])
        return batches

    def read(self, lines: Iterator[str], subset: str) -> Translations:
        """What fairseq-generate wrote."""
        translations = Translations({}, {}, {}, len(self._task.dataset(subset)), self.seconds)
        for line in lines:
            head, _, rest = line.rstrip("\n").partition("\t")
            kind = re.fullmatch(r"([TD])-(\d+)", head)
            if kind is None:
                continue
            number = int(kind.group(2))
            if kind.group(1) == "T":
                translations.references[number] = rest
            elif number not in translations.texts:  # the best comes first
                score, _, translations.texts[number] = rest.partition("\t")
                translations.scores[number] = float(score) * math.log(2)
        return translations


class _Stopwatch(Watch):
    """Translates as the task does."""

    def __init__(self, warm_up: bool, stop: Callable[[], bool], choose):
        super().__init__(choose)
        self._warm_up, self._stop = warm_up, stop

    def see(self, step, generator, models, *args, **kwargs):
        if self._stop():
            raise Stopped
        if self.seconds == 0:
            for model in models:
                encode_with_own_weights(model)
            if self._warm_up:
                with torch.random.fork_rng(devices=[]):
                    step(generator, models, *args, **kwargs)
        started = time.perf_counter()
        hypotheses = step(generator, models, *args, **kwargs)
        self.seconds += time.perf_counter() - started
        return hypotheses
