"""Resumed runs that end as uninterrupted ones, where fairseq's do not."""

import functools
import logging
from typing import TYPE_CHECKING, Optional

from fairseq import checkpoint_utils
from fairseq.data.multilingual.sampled_multi_epoch_dataset import SampledMultiEpochDataset

from ..mixed_into import Task
from ..optim.placement import innermost
from ..tasks.start import continues_itself

if TYPE_CHECKING:
    from ..tasks.pruner import Pruner

logger = logging.getLogger("fairseq_prune")


class ExactResumeMixin(Task):
    """For tasks that prune: make batches as in epoch 1, whichever epoch the process starts in.

    fairseq makes the batches of a data set once, in the epoch a process starts in, and
    keeps them for later epochs. fairseq-fixed 0.12.3 seeds their making with that epoch
    (stock 0.12.2 does not), so a run resumed in epoch 3 trains on other batches than one
    that came there from epoch 1.
    """

    _pruner: Optional["Pruner"]  # of ``PrunedTaskMixin``

    def get_batch_iterator(self, dataset, *args, **kwargs):
        epoch = kwargs.get("epoch", 1)
        if self._pruner is None or epoch == 1 or dataset in self.dataset_to_epoch_iter:
            return super().get_batch_iterator(dataset, *args, **kwargs)
        kept = (
            not kwargs.get("disable_iterator_cache", False)
            and not kwargs.get("update_epoch_batch_itr", False)
            and self.can_reuse_epoch_itr(dataset)
        )
        if not kept:
            iterator = super().get_batch_iterator(dataset, *args, **kwargs)
            # translation_multi_simple_epoch keeps some all the same
            if self.dataset_to_epoch_iter.pop(dataset, None) is None:
                return iterator
        iterator = super().get_batch_iterator(dataset, *args, **{**kwargs, "epoch": 1})
        dataset.set_epoch(epoch)
        iterator.epoch = epoch
        return iterator


def resume_exactly() -> None:
    """Fix fairseq's loading of checkpoints for this process.

    fairseq saves at the end of an epoch and then tells the learning rate scheduler how the
    validation went; a run resumed there never tells it, and ``reduce_lr_on_plateau``
    decides on other numbers than in an uninterrupted run. It also counts epochs anew. And it
    looks at ``--max-update`` and ``--patience`` after an update only, so that a run which
    had come to its end makes one more when started again.
    """
    load = checkpoint_utils.load_checkpoint

    @functools.wraps(load)
    def load_checkpoint(cfg, trainer, **kwargs):
        extra_state, epoch_itr = load(cfg, trainer, **kwargs)
        # no updates: the run is new, or the optimizer and its schedule were reset
        if extra_state is not None and trainer.get_num_updates():
            if not cfg.reset_lr_scheduler:
                _restore_lr_schedule(trainer, extra_state)
            if _is_over(trainer, cfg):
                logger.info("this run had come to its end (--max-update or --patience)")
                trainer.cfg.optimization.max_epoch = -1
        return extra_state, epoch_itr

    checkpoint_utils.load_checkpoint = load_checkpoint
    _start_virtual_epochs_where_they_start()


def _start_virtual_epochs_where_they_start() -> None:
    """Draw the sentences of ``--virtual-epoch-size`` as in the first epoch of a pass over them.

    fairseq draws them for a whole pass, by the epoch it begins in; a process that starts in
    the middle of a pass draws others.
    """
    begin = SampledMultiEpochDataset._next_virtual_epoch

    def next_virtual_epoch(self, epoch):
        first = epoch - (epoch - 1) % self.num_virtual_epochs
        if self._random_global_indices is None and first != epoch:
            begin(self, first)
        begin(self, epoch)

    SampledMultiEpochDataset._next_virtual_epoch = next_virtual_epoch


def _restore_lr_schedule(trainer, extra_state) -> None:
    trainer.lr_scheduler.load_state_dict(trainer._optim_history[-1]["lr_scheduler_state"])
    iterator, score = extra_state["train_iterator"], extra_state.get("val_loss")
    if iterator.get("iterations_in_epoch") == 0 and score is not None:
        trainer.lr_step(iterator["epoch"] - 1, score)


def _is_over(trainer, cfg) -> bool:
    max_update = trainer.cfg.optimization.max_update
    if max_update and trainer.get_num_updates() >= max_update:
        return True
    record = getattr(innermost(trainer.optimizer), "prune_record", None) or {}
    runs = record.get("early_stopping", (None, 0))[1]
    # of the round before, if the run starts from another folder
    return 0 < cfg.patience <= runs and continues_itself(trainer.task.prune_cfg)
