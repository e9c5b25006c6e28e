"""What a part of the data says of the weights: the statistics that a score asks for."""

import contextlib
import logging
import random
import time
from typing import (
    Any,
    Callable,
    Collection,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
)

import numpy
import torch
from fairseq import utils
from fairseq.distributed import utils as distributed
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from ..models.own_weights import encode_with_own_weights
from ..pruning import PruneError, Statistic

logger = logging.getLogger("fairseq_prune")

#: Sentences in a batch: squared gradients of larger ones say less of each sentence.
BATCH = 16
#: Tokens in a batch at most, so that blocks of text fit as well.
MAX_TOKENS = 8192
#: Where float16 gradients start, so that small ones are not lost; halved when they overflow.
FIRST_SCALE = 2.0**10

#: Takes the number of sentences that are done, in all processes, and which share of all that is.
Progress = Callable[[int, float], None]


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
    progress: Progress = lambda done, share: None,
) -> Dict[str, Tensor]:
    """The mean of ``statistic`` over batches, for those of ``weights`` that the loss depends on.

    A pure function of the model, the data and ``calibration``: the model is in evaluation mode
    (no dropout, no LayerDrop), random numbers go on as if nothing was, gradients are as before,
    of model and criterion. In a distributed run each process takes its share of the batches and
    all get the same sums.

    Args:
        train_step: the task's, without pruning: tasks have their own ways to a loss.
        model: not wrapped, on its device.
        weights: names of parameters.
        update, epoch: how many updates were done, and in which epoch training is.
        progress: called after each batch.
    Raises:
        PruneError: a gradient is no number, there is no such subset, no sentence in it, not
            enough memory, or another process failed.
    """
    named = dict(model.named_parameters())
    chosen = {name: named[name] for name in weights}
    step = _Step(train_step, model, criterion, update, chosen)
    failed = None
    with _as_before(model, criterion, calibration.seed):
        try:
            for batch, done, share in _batches(task, model, calibration, epoch):
                statistic.add(step.gradients(batch))
                progress(done, share)
        except Exception as error:  # the other processes are to hear of it
            failed = _in_a_sentence(error)
    _sum_over_processes(statistic, chosen, failed)
    if not statistic.batches:
        raise PruneError(
            f"there is no sentence in {calibration.subset} to calibrate with; name another subset"
        )
    return statistic.mean()


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
        for parameter in _parameters(self._model, self._criterion):
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
def _as_before(model: nn.Module, criterion: nn.Module, seed: int) -> Iterator[None]:
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


def _batches(
    task: FairseqTask, model: nn.Module, calibration: Calibration, epoch: int
) -> Iterator[Tuple[Any, int, float]]:
    """This process's share of the batches, on the device and in the type of the model.

    Of the first batches that have as many sentences as are asked for, each one's turn comes. With
    each, how many sentences all processes have taken so far, and which share of all that is.
    """
    first = next(model.parameters())
    rank, world = _place()
    taken, batches = 0, _all_batches(task, model, calibration, epoch)
    for k, batch in enumerate(batches):
        if taken >= calibration.samples:
            return
        taken += _sentences(batch)
        share = min(1.0, max(taken / calibration.samples, (k + 1) / len(batches)))
        if batch and k % world == rank:
            batch = utils.move_to_cuda(batch, first.device) if first.is_cuda else batch
            batch = utils.apply_to_sample(
                lambda t: t.to(first.dtype) if t.is_floating_point() else t, batch
            )
            yield batch, taken, share


def _all_batches(task, model, calibration: Calibration, epoch: int) -> Collection[Any]:
    # some tasks give the iterator out that they train with, if they made one
    kept, task.dataset_to_epoch_iter = task.dataset_to_epoch_iter, {}
    subset = calibration.subset
    try:
        if subset not in task.datasets:
            # as training does, which takes train, train1 and so on for one
            task.load_dataset(subset, combine=subset == Calibration().subset)
        dataset = task.dataset(subset)
    except (OSError, KeyError, AssertionError) as error:
        raise PruneError(
            f"subset {subset} is not there to calibrate with ({error}); name one that is"
        ) from error
    try:
        return task.get_batch_iterator(
            dataset=dataset,
            max_tokens=max(MAX_TOKENS, _longest(dataset)),
            max_sentences=BATCH,
            max_positions=utils.resolve_max_positions(task.max_positions(), model.max_positions()),
            ignore_invalid_inputs=True,
            required_batch_size_multiple=1,
            seed=calibration.seed,
            epoch=epoch,
            disable_iterator_cache=True,
        ).next_epoch_itr(shuffle=True)
    finally:
        task.dataset_to_epoch_iter = kept


def _longest(dataset: Any) -> int:
    """Tokens in the longest sentence of a data set that knows; it is a batch of its own."""
    sizes = numpy.asarray(getattr(dataset, "sizes", ()))
    return int(sizes.max()) if sizes.size else 0


def _sentences(batch: Any) -> int:
    batch = batch or {}
    if "nsentences" in batch:
        return int(batch["nsentences"])
    if "id" in batch:
        return len(batch["id"])
    # of a task of several models
    return sum(_sentences(part) for part in batch.values() if isinstance(part, dict))


def _in_a_sentence(error: Exception) -> Exception:
    """``error``, but for the one that fairseq's trainer would go on after, unpruned."""
    if "out of memory" not in str(error):
        return error
    said = str(error).split("\n")[0]
    found = PruneError(
        f"the calibration needs more memory than there is ({said}); take magnitude, "
        f"or another score that needs no data"
    )
    found.__cause__ = error
    return found


def _place() -> Tuple[int, int]:
    """Which of how many processes of a distributed run this is."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return 0, 1
    group = distributed.get_data_parallel_group()
    return distributed.get_rank(group), distributed.get_world_size(group)


def _sum_over_processes(
    statistic: Statistic, chosen: Mapping[str, Tensor], failed: Optional[Exception]
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
