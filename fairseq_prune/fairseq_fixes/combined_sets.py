"""Training sets in several files: train, train1, ..."""

import functools

from fairseq.data import ConcatDataset


def combine_training_sets() -> None:
    """Let train, train1, ... be read together without ``--upsample-primary 1``: fairseq takes the
    first one -1 times, its default, and fails.
    """
    make = ConcatDataset.__init__

    @functools.wraps(make)
    def init(self, datasets, sample_ratios=1):
        if not isinstance(sample_ratios, int):
            sample_ratios = [1 if ratio < 0 else ratio for ratio in sample_ratios]
        make(self, datasets, sample_ratios)

    ConcatDataset.__init__ = init
