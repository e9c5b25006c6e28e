"""A model of a checkpoint and its data, for evaluation in this process."""

from typing import List, Optional, Tuple

import torch
from fairseq import utils
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask
from torch import nn

from ..pruning import PruneError
from .load import load
from .task_of import config_of


def load_model(
    checkpoint: str, data: str, subsets: List[str]
) -> Tuple[BaseFairseqModel, FairseqTask]:
    """The model of ``checkpoint``, on the CPU, and its task with ``subsets`` of ``data`` loaded.

    Raises:
        PruneError: the data cannot be read as what the model was trained on.
    """
    model, _, task = load(checkpoint, data, "dense")
    try:
        for subset in subsets:
            task.load_dataset(subset)
    except (OSError, RuntimeError, AssertionError, KeyError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PruneError(f"DATA {data} cannot be used with {checkpoint}: {reason}") from error
    return model, task


def criterion_of(checkpoint: str, task: FairseqTask) -> nn.Module:
    """The criterion that ``checkpoint`` was trained with.

    Raises:
        PruneError: it does not say, or the criterion cannot be made here.
    """
    cfg = config_of(checkpoint)
    try:
        return task.build_criterion(cfg.criterion)
    except (AttributeError, KeyError, TypeError, AssertionError, ValueError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PruneError(
            f"the criterion of {checkpoint} cannot be made: {reason}; take a score without data"
        ) from error


def batches_of(
    model: BaseFairseqModel,
    task: FairseqTask,
    subset: str,
    max_tokens: int = 4000,
    max_sentences: Optional[int] = None,
) -> List:
    """All of ``subset``, on the device of ``model``; sentences too long for it are left out."""
    batches = task.get_batch_iterator(
        dataset=task.dataset(subset),
        max_tokens=None if max_sentences else max_tokens,
        max_sentences=max_sentences,
        max_positions=utils.resolve_max_positions(task.max_positions(), model.max_positions()),
        ignore_invalid_inputs=True,
        required_batch_size_multiple=1,
    ).next_epoch_itr(shuffle=False)
    cuda = next(model.parameters()).is_cuda
    move = utils.move_to_cuda if cuda and torch.cuda.is_available() else lambda batch: batch
    return [move(batch) for batch in batches if batch]
