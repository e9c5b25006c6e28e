"""Images and their labels, split into training, validation and test."""

from typing import NamedTuple, Optional, Tuple

import mnist
import numpy as np
import torch
from torch import Tensor

#: Of the images of which no test set is set apart; the rest are for training.
TEST_SHARE = VALIDATION_SHARE = 0.2
#: MNIST's test set is given; of its 60,000 other images a sixth, as many as in the test set.
MNIST_VALIDATION_SHARE = 1 / 6

Arrays = Tuple[np.ndarray, np.ndarray]


class Part(NamedTuple):
    """Images, float32 (count, rows, columns) in [0, 1], and labels, int64 (count,)."""

    images: Tensor
    labels: Tensor


class Split(NamedTuple):
    train: Part
    validation: Part
    test: Part


def load(folder: Optional[str], seed: int) -> Split:
    """MNIST from ``folder``, or scikit-learn's digits, split at random by ``seed``.

    Raises:
        UserError: MNIST's files are not there or damaged.
        ImportError: scikit-learn is not installed.
    """
    generator = np.random.RandomState(seed)
    if folder is None:
        images, test = digits(), None
    else:
        images, test = mnist.load(folder)
    if test is None:
        images, test = _cut(images, TEST_SHARE, generator)
        share = VALIDATION_SHARE / (1 - TEST_SHARE)  # of what is left
    else:
        share = MNIST_VALIDATION_SHARE
    train, validation = _cut(images, share, generator)
    return Split(*map(_part, (train, validation, test)))


def digits() -> Arrays:
    """The 1,797 digits that come with scikit-learn, (1797, 8, 8) in [0, 1], and their labels."""
    from sklearn.datasets import load_digits  # nothing else needs scikit-learn

    found = load_digits()
    return found.images / 16, found.target


def stratified(labels: np.ndarray, share: float, generator) -> np.ndarray:
    """Indices, ascending, of ``share`` of the images of each label, chosen at random."""
    chosen = [
        generator.permutation(places)[: round(share * len(places))]
        for places in (np.flatnonzero(labels == label) for label in np.unique(labels))
    ]
    return np.sort(np.concatenate(chosen))


def _cut(images: Arrays, share: float, generator) -> Tuple[Arrays, Arrays]:
    held = stratified(images[1], share, generator)
    rest = np.setdiff1d(np.arange(len(images[1])), held)
    return tuple((images[0][places], images[1][places]) for places in (rest, held))


def _part(arrays: Arrays) -> Part:
    return Part(
        torch.from_numpy(arrays[0].astype(np.float32)), torch.from_numpy(arrays[1].astype(np.int64))
    )
