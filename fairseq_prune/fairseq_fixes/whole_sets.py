"""Evaluation on every sentence of a set.

fairseq-fixed 0.12.3 throws a last batch away that is no multiple of
``--required-batch-size-multiple`` (8): up to seven sentences, the longest ones, of every set.
Stock 0.12.2 takes batches "less than N or a multiple of N", as the option's help says.
"""

import functools
import logging

import numpy
from fairseq.data import data_utils
from fairseq.trainer import Trainer

logger = logging.getLogger("fairseq_prune")

MULTIPLE = "required_batch_size_multiple"

_training = False


def evaluate_on_whole_sets() -> None:
    """Leave no sentence out in this process, but where batches to train on are made.

    Those stay as they are, so that a training with this plugin is the one without.
    """
    make_batches = data_utils.batch_by_size

    @functools.wraps(make_batches)
    def batch_by_size(indices, *args, **kwargs):
        if not isinstance(indices, numpy.ndarray):
            indices = numpy.fromiter(indices, dtype=numpy.int64, count=-1)
        if not len(indices):
            return []
        batches = make_batches(indices, *args, **kwargs)
        left_out = indices[sum(map(len, batches)) :]
        if not len(left_out):
            return batches
        if _training:
            logger.info(
                f"fairseq leaves {len(left_out)} sentences of the training set out, to have whole "
                f"batches; --required-batch-size-multiple 1 takes all"
            )
            return batches
        return [*batches, *make_batches(left_out, *args, **{**kwargs, MULTIPLE: 1})]

    data_utils.batch_by_size = batch_by_size
    get_train_iterator = Trainer.get_train_iterator

    def train_iterator(self, *args, **kwargs):
        iterator = _in_training(get_train_iterator)(self, *args, **kwargs)
        if callable(getattr(iterator, "batch_sampler", None)):  # makes batches anew in each epoch
            iterator.batch_sampler = _in_training(iterator.batch_sampler)
        return iterator

    Trainer.get_train_iterator = train_iterator


def _in_training(function):
    """``function``, while which batches are made to train on."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        global _training
        before, _training = _training, True
        try:
            return function(*args, **kwargs)
        finally:
            _training = before

    return wrapped
