"""Some sentences of a subset, for what takes long with each."""

import numpy as np
from fairseq.data import BaseWrapperDataset


def evenly(dataset, most: int) -> "SomeSentences":
    """``most`` sentences, evenly spread over their lengths."""
    order = np.asarray(dataset.ordered_indices())
    count = min(most, len(order))
    return SomeSentences(dataset, order[np.linspace(0, len(order) - 1, count).round().astype(int)])


def first(dataset, most: int) -> "SomeSentences":
    """The first ``most`` sentences."""
    order = np.asarray(dataset.ordered_indices())
    return SomeSentences(dataset, order[order < most])


class SomeSentences(BaseWrapperDataset):
    """Sentences of a dataset, which keep their numbers there."""

    def __init__(self, dataset, chosen: np.ndarray):
        """
        Args:
            chosen: the numbers, the shortest first.
        """
        super().__init__(dataset)
        self._chosen = chosen
        # of pairs: --replace-unk looks words up by the sentence's number
        self.src, self.tgt = (getattr(dataset, side, None) for side in ("src", "tgt"))

    def __getitem__(self, index):
        return self.dataset[self._chosen[index]]

    def __len__(self):
        return len(self._chosen)

    @property
    def sizes(self):
        return self.dataset.sizes[self._chosen]

    def num_tokens(self, index):
        return self.dataset.num_tokens(self._chosen[index])

    def size(self, index):
        return self.dataset.size(self._chosen[index])

    def ordered_indices(self):
        return np.arange(len(self))

    def prefetch(self, indices):
        self.dataset.prefetch(self._chosen[indices])

    def batch_by_size(self, indices, *args, **kwargs):
        batches = self.dataset.batch_by_size(self._chosen[indices], *args, **kwargs)
        return [self._places(batch) for batch in batches]

    def filter_indices_by_size(self, indices, max_sizes):
        left, ignored = self.dataset.filter_indices_by_size(self._chosen[indices], max_sizes)
        return self._places(left), self._places(ignored).tolist()

    def _places(self, numbers):
        place = {int(number): k for k, number in enumerate(self._chosen)}
        return np.array([place[int(number)] for number in numbers], dtype=np.int64)
