"""Batches that are the same after a resume as they would have been without one.

fairseq makes the batches of a data set once, in the epoch a process starts in, and
keeps them for later epochs. fairseq-fixed 0.12.3 seeds their making with that epoch
(stock 0.12.2 does not), so a run resumed in epoch 3 trains on other batches than one
that came there from epoch 1.
"""

from .options import is_asked


class ExactResumeMixin:
    """For tasks: make batches as in epoch 1, whichever epoch the process starts in."""

    def get_batch_iterator(self, dataset, *args, **kwargs):
        epoch = kwargs.get("epoch", 1)
        kept = (
            not kwargs.get("disable_iterator_cache", False)
            and not kwargs.get("update_epoch_batch_itr", False)
            and self.can_reuse_epoch_itr(dataset)
        )
        made = dataset in self.dataset_to_epoch_iter
        if not is_asked(self.cfg) or epoch == 1 or made or not kept:
            return super().get_batch_iterator(dataset, *args, **kwargs)
        iterator = super().get_batch_iterator(dataset, *args, **{**kwargs, "epoch": 1})
        dataset.set_epoch(epoch)
        iterator.epoch = epoch
        return iterator
