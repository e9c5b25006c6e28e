"""The part of the data that a calibration looks at, in batches."""

from typing import Any, Collection, Iterator, Tuple

import numpy
from fairseq import utils
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask

from ..errors import OPTION, OptionError
from ..pruning.choice import Calibration
from .sums import place

#: Sentences in a batch: squared gradients of larger ones say less of each sentence.
BATCH = 16
#: Tokens in a batch at most, so that blocks of text fit as well.
MAX_TOKENS = 8192


def batches_of(
    task: FairseqTask,
    model: BaseFairseqModel,
    calibration: Calibration,
    samples: int,
    epoch: int,
) -> Iterator[Tuple[Any, int, float]]:
    """This process's share of the batches, on the device and in the type of the model.

    Of the first batches that have ``samples`` sentences, each one's turn comes. With each, how many
    sentences all processes have taken so far, and which share of all that is.
    """
    first = next(model.parameters())
    rank, world = place()
    taken, batches = 0, _all_batches(task, model, calibration, epoch)
    for k, batch in enumerate(batches):
        if taken >= samples:
            return
        taken += _sentences(batch)
        share = min(1.0, max(taken / samples, (k + 1) / len(batches)))
        if batch and k % world == rank:
            batch = utils.move_to_cuda(batch, first.device) if first.is_cuda else batch
            batch = utils.apply_to_sample(
                lambda t: t.to(first.dtype) if t.is_floating_point() else t, batch
            )
            yield batch, taken, share


def _all_batches(task, model, calibration: Calibration, epoch: int) -> Collection[Any]:
    dataset = dataset_of(task, calibration.subset)
    # some tasks give the iterator out that they train with, if they made one
    kept, task.dataset_to_epoch_iter = task.dataset_to_epoch_iter, {}
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


def dataset_of(task: FairseqTask, subset: str) -> Any:
    """The data set of that name, loaded if it is not.

    Raises:
        PruneError: there is none.
    """
    try:
        if subset not in task.datasets:
            # as training does, which takes train, train1 and so on for one
            task.load_dataset(subset, combine=subset == Calibration().subset)
        return task.dataset(subset)
    except (OSError, KeyError, AssertionError) as error:
        raise OptionError(
            f"{OPTION}subset {subset} is not there to calibrate with ({error}); name one that is"
        ) from error


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
