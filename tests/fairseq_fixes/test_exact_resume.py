"""Batches of a process that starts in a later epoch are those of one that came there."""

import types

import numpy
import pytest
from fairseq.data import ListDataset
from fairseq.data.multilingual.sampled_multi_epoch_dataset import SampledMultiEpochDataset

from fairseq_prune.fairseq_fixes import exact_resume
from fairseq_prune.fairseq_fixes.exact_resume import ExactResumeMixin


class Keeps:
    """Keeps the batches of every data set, whether asked to or not."""

    def __init__(self, prunes):
        self._pruner = object() if prunes else None
        self.dataset_to_epoch_iter = {}

    def can_reuse_epoch_itr(self, dataset):
        return False

    def get_batch_iterator(self, dataset, epoch=1):
        made = types.SimpleNamespace(made_in=epoch, epoch=epoch)
        return self.dataset_to_epoch_iter.setdefault(dataset, made)


class Task(ExactResumeMixin, Keeps):
    pass


@pytest.mark.parametrize("prunes, made_in", [(True, 1), (False, 3)])
def test_batches_that_are_kept_are_those_of_the_first_epoch(prunes, made_in):
    dataset = ListDataset([1, 2], [1, 1])
    iterator = Task(prunes).get_batch_iterator(dataset, epoch=3)
    assert (iterator.made_in, iterator.epoch) == (made_in, 3)


def virtual(epoch):
    lengths = numpy.ones((40, 2), dtype=numpy.int64)
    return SampledMultiEpochDataset(
        [ListDataset(list(range(40)), lengths), ListDataset(list(range(100, 140)), lengths)],
        sampling_ratios=[0.5, 0.5], virtual_size=60, virtual_epoch_size=20, epoch=epoch,
    )  # fmt: skip


def test_virtual_epochs_are_those_of_the_pass_they_are_in(monkeypatch):
    """A pass has three: in epochs 1 to 3, and 4 to 6."""
    before = SampledMultiEpochDataset._next_virtual_epoch
    monkeypatch.setattr(SampledMultiEpochDataset, "_next_virtual_epoch", before)
    exact_resume._start_virtual_epochs_where_they_start()
    came_there = virtual(1)
    for epoch in range(1, 8):
        came_there.set_epoch(epoch)
        found = [came_there[k] for k in range(len(came_there))]
        starts_there = virtual(epoch)
        assert [starts_there[k] for k in range(len(starts_there))] == found
