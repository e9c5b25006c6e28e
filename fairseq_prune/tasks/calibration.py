"""What a part of the data says of the weights: the statistics that a score asks for."""

import contextlib
import logging
import random
import time
from typing import Any, Callable, Dict, Iterable, Iterator, Mapping, NamedTuple, Optional, Tuple

import numpy
import torch
from fairseq import utils
from fairseq.distributed import utils as distributed
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from ..pruning import PruneError, Statistic

logger = logging.getLogger("fairseq_prune")

#: Sentences in a batch: squared gradients of larger ones say less of each sentence.
BATCH = 16
#: Tokens in a batch at most, so that blocks of text fit as well.
MAX_TOKENS = 8192
#: Where float16 gradients start, so that small ones are not lost; halved when they overflow.
FIRST_SCALE = 2.0**10


class Calibration(NamedTuple):
    """Which data: ``samples`` sentences (or blocks of text) of ``subset``, drawn by ``seed``."""

    subset: str = "train"
    samples: int = 1024
    seed: int = 1

    def check(self, flags: str = "--prune-") -> None:
        """Raise PruneError, naming the option, unless they make sense."""
        if self.samples < 1:
            raise PruneError(f"{flags}samples {self.samples} is out of range; give 1 or more")
        if self.seed < 0:
            raise PruneError(f"{flags}seed {self.seed} is out of range; give 0 or more")


def calibrate(
    task: FairseqTask,
    train_step: Callable,
    model: nn.Module,
    criterion: nn.Module,
    statistic: Statistic,
    weights: Iterable[str],
    calibration: Calibration,
    update: int = 0,
    epoch: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> Dict[str, Tensor]:
    """The mean of ``statistic`` over batches, for those of ``weights`` that the loss depends on.

    A pure function of the model, the data and ``calibration``: the model is in evaluation mode
    (no dropout, no LayerDrop), random numbers go on as if nothing was, gradients are as before.
    In a distributed run each process takes its share of the batches and all get the same sums.

    Args:
        train_step: the task's, without pruning: tasks have their own ways to a loss.
        model: not wrapped, on its device.
        weights: names of parameters.
        update, epoch: how many updates were done, and in which epoch training is.
        progress: called after each batch, with the number of sentences done in this process.
    Raises:
        PruneError: a gradient is no number, or there is no such subset, or no sentence in it.
    """
    named = dict(model.named_parameters())
    chosen = {name: named[name] for name in weights}
    step = _Step(train_step, model, criterion, update, chosen)
    done, failed = 0, None
    with _as_before(model):
        try:
            for batch in _batches(task, model, calibration, epoch):
                statistic.add(step.gradients(batch))
                done += _sentences(batch)
                progress(done)
        except PruneError as error:
            failed = error
    _sum_over_processes(statistic, chosen, failed)
    if not statistic.batches:
        raise PruneError(
            f"there is no sentence in {calibration.subset} to calibrate with; name another subset"
        )
    return statistic.mean()


def logged(samples: int) -> Callable[[int], None]:
    """A progress that logs every ten seconds."""
    begun = said = time.monotonic()

    def progress(done: int) -> None:
        nonlocal said
        if time.monotonic() - said >= 10:
            said = time.monotonic()
            left = (said - begun) * (samples - done) / max(1, done)
            logger.info(f"calibrating: {done} of {samples} sentences, {max(0, left):.0f} s left")

    return progress


class _Step:
    """Gradients of a batch, through the task's own training step."""

    def __init__(self, train_step, model, criterion, update, chosen: Mapping[str, Tensor]):
        self._step, self._model, self._criterion = train_step, model, criterion
        self._update, self._chosen = update, chosen
        half = next(model.parameters()).dtype == torch.float16
        self._scale = FIRST_SCALE if half else 1.0

    def gradients(self, batch: Any) -> Dict[str, Tensor]:
        """Of the mean loss of a token, unscaled, float32."""
        while True:
            found = self._scaled(batch)
            # what the scale made overflow is no fault of the model
            if self._scale == 1 or all(bool(torch.isfinite(g).all()) for g in found.values()):
                return found
            self._scale /= 2

    def _scaled(self, batch: Any) -> Dict[str, Tensor]:
        for parameter in self._model.parameters():
            parameter.grad = None
        _, size, _ = self._step(batch, self._model, self._criterion, self, self._update)
        by = self._scale * max(float(size), 1.0)
        return {
            name: parameter.grad.float() / by
            for name, parameter in self._chosen.items()
            if parameter.grad is not None
        }

    def backward(self, loss: Tensor) -> None:
        """Called by the task in the place of the optimizer's."""
        (loss * self._scale).backward()


@contextlib.contextmanager
def _as_before(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, whatever a training step asks for; random numbers and gradients stay."""
    parameters = list(model.parameters())
    gradients = [parameter.grad for parameter in parameters]
    modes = [(module, module.training) for module in model.modules()]
    numpy_state, python_state = numpy.random.get_state(), random.getstate()
    model.eval()
    model.train = lambda mode=True: model  # of this instance alone
    try:
        # cuDNN has no backward pass of an LSTM in evaluation mode
        with torch.random.fork_rng(), torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        del model.train
        for module, training in modes:
            module.training = training
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient
        numpy.random.set_state(numpy_state)
        random.setstate(python_state)


def _batches(
    task: FairseqTask, model: nn.Module, calibration: Calibration, epoch: int
) -> Iterator[Any]:
    """This process's share of the batches, on the device and in the type of the model.

    Of the first batches that have as many sentences as are asked for, each one's turn comes.
    """
    first = next(model.parameters())
    rank, world = _place()
    taken = 0
    for k, batch in enumerate(_all_batches(task, model, calibration, epoch)):
        if taken >= calibration.samples:
            return
        taken += _sentences(batch)
        if k % world == rank:
            batch = utils.move_to_cuda(batch, first.device) if first.is_cuda else batch
            yield utils.apply_to_sample(
                lambda t: t.to(first.dtype) if t.is_floating_point() else t, batch
            )


def _all_batches(task, model, calibration: Calibration, epoch: int) -> Iterator[Any]:
    # some tasks give the iterator out that they train with, if they made one
    kept, task.dataset_to_epoch_iter = task.dataset_to_epoch_iter, {}
    try:
        if calibration.subset not in task.datasets:
            task.load_dataset(calibration.subset)
        made = task.get_batch_iterator(
            dataset=task.dataset(calibration.subset),
            max_tokens=MAX_TOKENS,
            max_sentences=BATCH,
            max_positions=utils.resolve_max_positions(task.max_positions(), model.max_positions()),
            ignore_invalid_inputs=True,
            required_batch_size_multiple=1,
            seed=calibration.seed,
            epoch=epoch,
            disable_iterator_cache=True,
        )
    except (OSError, KeyError, AssertionError) as error:
        raise PruneError(
            f"subset {calibration.subset} is not there to calibrate with: {error}"
        ) from error
    finally:
        task.dataset_to_epoch_iter = kept
    return (batch for batch in made.next_epoch_itr(shuffle=True) if batch)


def _sentences(batch: Any) -> int:
    if "nsentences" in batch:
        return int(batch["nsentences"])
    # of a task of several models
    return sum(_sentences(part) for part in batch.values() if part)


def _place() -> Tuple[int, int]:
    """Which of how many processes of a distributed run this is."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return 0, 1
    group = distributed.get_data_parallel_group()
    return distributed.get_rank(group), distributed.get_world_size(group)


def _sum_over_processes(
    statistic: Statistic, chosen: Mapping[str, Tensor], failed: Optional[PruneError]
) -> None:
    """Make the sums and the number of batches those of all processes; fail where one did."""
    if failed is not None and _place()[1] == 1:
        raise failed
    statistic.settle()
    if _place()[1] == 1 or not chosen:
        return
    group = distributed.get_data_parallel_group()
    device = next(iter(chosen.values())).device
    names = list(chosen)
    own = [failed is not None, statistic.batches, *(name in statistic.sums for name in names)]
    found = torch.tensor(own, dtype=torch.float64, device=device)
    failures, batches, *counts = distributed.all_reduce(found, group).tolist()
    if failures:
        raise failed or PruneError("another process of this run could not calibrate; see there")
    statistic.batches = int(batches)
    for name, processes in zip(names, counts):
        if processes:
            # a weight may have a gradient in the batches of some processes only
            if name not in statistic.sums:
                statistic.sums[name] = statistic.zeros(chosen[name])
            statistic.sums[name] = distributed.all_reduce(statistic.sums[name], group)
