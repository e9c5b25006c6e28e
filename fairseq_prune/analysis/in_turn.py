"""Several ways to decode, batch by batch in turn: what else the machine does is not one's alone."""

import contextlib
import functools
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Set

import torch

from ..fairseq_fixes.own_weights import encode_with_own_weights
from .translate import Stopped, Translations, Watch, run_generate

#: From the sentences and the tokens of each batch to what is told which batches are translated.
Progress = Callable[[Dict[int, int], Dict[int, int]], Callable[[Set[int]], None]]


def translate_in_turn(
    cfgs: Sequence[Any], choose: Optional[Callable[[Any], Any]], progress: Progress
) -> List[Translations]:
    """What each of ``cfgs``, configurations of fairseq-generate, makes of the same batches.

    All models are in memory at a time. Each translates the first batch twice, the first time
    without counting its time: the runtime ``auto`` chooses then. Random numbers are drawn as if
    each were alone.

    Args:
        choose: see ``Watch``.
    Raises:
        PruneError: what fairseq cannot do, with what it said.
    """
    others = [_set_up(cfg, choose) for cfg in cfgs[1:]]
    translations = [run_generate(cfgs[0], _Leader(others, choose, progress))]
    repeaters = [_Repeater(choose, other.hypotheses, other.seconds) for other in others]
    del others  # and their models
    return translations + [run_generate(cfg, again) for cfg, again in zip(cfgs[1:], repeaters)]


class _System:
    """The models and the generator of a configuration, and its state of random numbers.

    Attributes:
        seconds: in beam search.
        hypotheses: of each batch.
    """

    def __init__(self, step: Callable[..., Any], generator: Any, models: Sequence[Any]):
        for model in models:
            encode_with_own_weights(model)
        self._step = functools.partial(step, generator, models)
        self._random = torch.get_rng_state()
        self.seconds = 0.0
        self.hypotheses: List[Any] = []

    def translate(self, *args, **kwargs) -> None:
        with torch.random.fork_rng(devices=[]):
            if not self.hypotheses:
                self._step(*args, **kwargs)
            torch.set_rng_state(self._random)
            started = time.perf_counter()
            self.hypotheses.append(self._step(*args, **kwargs))
            self.seconds += time.perf_counter() - started
            self._random = torch.get_rng_state()


def _set_up(cfg: Any, choose) -> _System:
    watch = _Seer(choose)
    with contextlib.suppress(Stopped):
        run_generate(cfg, watch)
    return watch.system


class _Seer(Watch):
    """Sees models and generator, and has them translate nothing."""

    def see(self, step, generator, models, *args, **kwargs):
        self.system = _System(step, generator, models)
        raise Stopped


class _Leader(Watch):
    """Translates each batch, and then has the other systems translate it."""

    def __init__(self, others: List[_System], choose, progress: Progress):
        super().__init__(choose)
        self._others, self._progress = others, progress
        self._own: Optional[_System] = None
        self._done: Set[int] = set()

    def see_batches(self, dataset, batches):
        sentences = {k: len(batch) for k, batch in enumerate(batches)}
        tokens = {k: sum(map(dataset.num_tokens, batch)) for k, batch in enumerate(batches)}
        self._tell = self._progress(sentences, tokens)

    def see(self, step, generator, models, *args, **kwargs):
        self._own = self._own or _System(step, generator, models)
        for system in (self._own, *self._others):
            system.translate(*args, **kwargs)
        self._done.add(len(self._done))
        self._tell(self._done)
        self.seconds = self._own.seconds
        return self._own.hypotheses[-1]


class _Repeater(Watch):
    """Says again what a system has found, for fairseq-generate to write."""

    def __init__(self, choose, hypotheses: List[Any], seconds: float):
        super().__init__(choose)
        self._hypotheses, self.seconds = iter(hypotheses), seconds

    def see(self, step, *args, **kwargs):
        return next(self._hypotheses)
