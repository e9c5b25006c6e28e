"""What a part of the data says of the weights: the statistics that a score asks for."""

import contextlib
import logging
import random
import time
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
)

import numpy
import torch
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from ..fairseq_fixes.own_weights import encode_with_own_weights
from ..pruning import PruneError, Statistic
from ..pruning.choice import Calibration
from ..pruning.memory import told_of_memory
from ..pruning.selection import not_finite
from .calibration_data import batches_of
from .sums import sum_over_processes

logger = logging.getLogger("fairseq_prune")

#: Where float16 gradients start, so that small ones are not lost; halved when they overflow.
FIRST_SCALE = 2.0**10

#: Takes the number of sentences that are done, in all processes, and which share of all that is.
Progress = Callable[[int, float], None]


def calibrate(
    task: FairseqTask,
    train_step: Callable,
    model: BaseFairseqModel,
    criterion: nn.Module,
    statistic: Statistic,
    weights: Iterable[str],
    calibration: Calibration,
    update: int = 0,
    epoch: int = 1,
    progress: Progress = lambda done, share: None,
) -> Dict[str, Tensor]:
    """The mean of ``statistic`` over batches, for those of ``weights`` that the loss depends on.

    A pure function of the model, the data and ``calibration``: the model is in evaluation mode
    (no dropout, no LayerDrop), random numbers go on as if nothing was, gradients are as before,
    of model and criterion. In a distributed run each process takes its share of the batches and
    all get the same sums.

    Memory: the gradients of a batch beside the statistic. They are not used up one by one while
    they come: some tasks go backward several times in a step and sum up, float16 gradients may
    overflow in the last, and by how many tokens they are divided is known when the step is over.

    Args:
        train_step: the task's, without pruning: tasks have their own ways to a loss.
        model: not wrapped, on its device.
        weights: names of parameters.
        update, epoch: how many updates were done, and in which epoch training is.
        progress: called after each batch.
    Raises:
        PruneError: a parameter or a gradient is no number, there is no such subset, no sentence in
            it, not enough memory, or another process failed.
    """
    named = dict(model.named_parameters())
    chosen = {name: named[name] for name in weights}
    step = _Step(train_step, model, criterion, update, chosen, statistic)
    failed = None
    samples = statistic.samples if calibration.samples is None else calibration.samples
    with _as_before(model, criterion, calibration.seed):
        try:
            _check_finite(named)
            with told_of_memory("the calibration"):
                for batch, done, share in batches_of(task, model, calibration, samples, epoch):
                    statistic.add(step.gradients(batch))
                    progress(done, share)
                statistic.settle()
        except Exception as error:  # the other processes are to hear of it
            failed = error
    sum_over_processes(statistic, chosen, failed)
    if not statistic.batches:
        raise PruneError(
            f"there is no sentence in {calibration.subset} to calibrate with; name another subset"
        )
    return statistic.mean()


def _check_finite(named: Mapping[str, Tensor]) -> None:
    """Raise PruneError, naming the parameter: it makes gradients of others NaN as well."""
    for name, parameter in named.items():
        if not bool(torch.isfinite(parameter.detach().sum(dtype=torch.float64))):
            raise not_finite(name, parameter)


def logged() -> Progress:
    """A progress that logs every ten seconds."""
    begun = said = time.monotonic()

    def progress(done: int, share: float) -> None:
        nonlocal said
        if time.monotonic() - said >= 10:
            said = time.monotonic()
            left = (said - begun) * (1 - share) / share
            logger.info(f"calibrating: {done} sentences, {share:.0%}, {left:.0f} s left")

    return progress


class _Step:
    """Gradients of a batch, through the task's own training step."""

    def __init__(self, train_step, model, criterion, update, chosen, statistic: Statistic):
        self._step, self._model, self._criterion = train_step, model, criterion
        self._update, self._chosen, self._statistic = update, chosen, statistic
        half = next(model.parameters()).dtype == torch.float16
        self._scale = FIRST_SCALE if half else 1.0

    def gradients(self, batch: Any) -> Dict[str, Tensor]:
        """Of the mean loss of a token, unscaled, float32."""
        while True:
            gradients = self._scaled(batch)
            # what the scale made overflow is no fault of the model
            if self._scale == 1 or all(bool(torch.isfinite(g).all()) for g in gradients.values()):
                return gradients
            self._scale /= 2

    def _scaled(self, batch: Any) -> Dict[str, Tensor]:
        for parameter in _parameters(self._model, self._criterion):
            parameter.grad = None
        with self._statistic.watching(self._chosen):
            _, size, _ = self._step(batch, self._model, self._criterion, self, self._update)
        by = self._scale * max(float(size), 1.0)
        gradients = {}
        for name, parameter in self._chosen.items():
            if parameter.grad is not None:
                # in place, and given up one by one where they are of another type: a second
                # gradient of everything would be as large as the model
                gradients[name] = parameter.grad.float().div_(by)
                parameter.grad = None
        return gradients

    def backward(self, loss: Tensor) -> None:
        """Called by the task in the place of the optimizer's."""
        (loss * self._scale).backward()


@contextlib.contextmanager
def _as_before(model: BaseFairseqModel, criterion: nn.Module, seed: int) -> Iterator[None]:
    """Evaluation mode, whatever a training step asks for; random numbers and gradients stay.

    Meanwhile random numbers are those of ``seed``, should the data or the loss draw any.
    """
    parameters = _parameters(model, criterion)
    gradients = [parameter.grad for parameter in parameters]
    modes = [(m, m.training) for module in (model, criterion) for m in module.modules()]
    numpy_state, python_state = numpy.random.get_state(), random.getstate()
    encode_with_own_weights(model)  # as it will when it trains
    model.eval()
    criterion.eval()
    model.train = lambda mode=True: model  # of this instance alone
    try:
        # cuDNN has no backward pass of an LSTM in evaluation mode
        with torch.random.fork_rng(_devices(parameters)), torch.backends.cudnn.flags(enabled=False):
            torch.manual_seed(seed)
            numpy.random.seed(seed % 2**32)
            random.seed(seed)
            yield
    finally:
        del model.train
        for module, training in modes:
            module.training = training
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
        numpy.random.set_state(numpy_state)
        random.setstate(python_state)


def _parameters(model: nn.Module, criterion: nn.Module) -> List[nn.Parameter]:
    return [*model.parameters(), *criterion.parameters()]


def _devices(parameters: Iterable[Tensor]) -> List[int]:
    """The GPUs that ``parameters`` are on; others are other processes'."""
    return sorted({parameter.get_device() for parameter in parameters if parameter.is_cuda})
