"""Parts of ``examples/rnn_digits``, and small images for them."""

import importlib
import struct
import sys

import numpy as np
import torch
from commands import REPO

EXAMPLE = REPO / "examples" / "rnn_digits"
NAMES = (
    "accuracy_claims",
    "cells",
    "data",
    "experiment",
    "mnist",
    "prune_digits",
    "summary",
    "train",
)

sys.path.insert(0, str(EXAMPLE))
try:
    (accuracy_claims, cells, data, experiment, mnist, prune_digits, summary, train) = map(
        importlib.import_module, NAMES
    )
finally:
    sys.path.remove(str(EXAMPLE))

ROWS, COLUMNS = 4, 6


def idx(array):
    """The bytes of an idx file."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def images(count, seed=0):
    """Images of stripes of which the number tells the label, and noise; labels in turn."""
    noise = np.random.RandomState(seed).randint(0, 120, (count, ROWS, COLUMNS))
    labels = np.arange(count) % 10
    noise.reshape(count, -1)[np.arange(count), labels] = 255
    return noise, labels


def task(folder, cell="rnn", **changes):
    small = dict(
        cell=cell, layers=1, seed=3, epochs=1, retrain_epochs=1, batch=16, sparsities=(0.333, 0.95),
        retrain_sparsities=(0.6, 0.95), mnist=folder and str(folder),
    )  # fmt: skip
    return experiment.Task(**{**small, **changes})


def reader(cell="lstm", layers=2):
    torch.manual_seed(5)
    return cells.Reader(cell, layers, COLUMNS)


def positive_zeros(tensor):
    """Where ``tensor`` is +0.0, not -0.0."""
    return (tensor == 0) & ~torch.signbit(tensor)
