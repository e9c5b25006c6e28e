"""Resumed runs that end as uninterrupted ones, where fairseq's do not."""

from fairseq import checkpoint_utils

from .options import is_asked


class ExactResumeMixin:
    """For tasks: make batches as in epoch 1, whichever epoch the process starts in.

    fairseq makes the batches of a data set once, in the epoch a process starts in, and
    keeps them for later epochs. fairseq-fixed 0.12.3 seeds their making with that epoch
    (stock 0.12.2 does not), so a run resumed in epoch 3 trains on other batches than one
    that came there from epoch 1.
    """

    def get_batch_iterator(self, dataset, *args, **kwargs):
        epoch = kwargs.get("epoch", 1)
        kept = (
            not kwargs.get("disable_iterator_cache", False)
            and not kwargs.get("update_epoch_batch_itr", False)
            and self.can_reuse_epoch_itr(dataset)
        )
        made = dataset in self.dataset_to_epoch_iter
        if not is_asked(self.prune_cfg) or epoch == 1 or made or not kept:
            return super().get_batch_iterator(dataset, *args, **kwargs)
        iterator = super().get_batch_iterator(dataset, *args, **{**kwargs, "epoch": 1})
        dataset.set_epoch(epoch)
        iterator.epoch = epoch
        return iterator


def restore_lr_schedule_exactly() -> None:
    """Mend fairseq's loading of checkpoints for this process.

    fairseq saves at the end of an epoch and then tells the learning rate scheduler how the
    validation went; a run resumed there never tells it, and ``reduce_lr_on_plateau``
    decides on other numbers than in an uninterrupted run. It also counts epochs anew.
    """
    load = checkpoint_utils.load_checkpoint
    if getattr(load, "restores_lr_schedule", False):
        return

    def load_checkpoint(cfg, trainer, **kwargs):
        extra_state, epoch_itr = load(cfg, trainer, **kwargs)
        # no updates: the run is new, or the optimizer and its schedule were reset
        if extra_state is not None and trainer.get_num_updates() and not cfg.reset_lr_scheduler:
            trainer.lr_scheduler.load_state_dict(trainer._optim_history[-1]["lr_scheduler_state"])
            iterator, score = extra_state["train_iterator"], extra_state.get("val_loss")
            if iterator.get("iterations_in_epoch") == 0 and score is not None:
                trainer.lr_step(iterator["epoch"] - 1, score)
        return extra_state, epoch_itr

    load_checkpoint.restores_lr_schedule = True
    checkpoint_utils.load_checkpoint = load_checkpoint
