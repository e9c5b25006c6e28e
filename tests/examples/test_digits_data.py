"""Digits and MNIST: how they are read and split."""

import gzip

import numpy as np
import pytest
import torch
from digits import data, idx, images, mnist


def test_splits_are_stratified():
    labels = np.repeat([3, 1, 7], [50, 20, 31])
    chosen = data.stratified(labels, 0.2, np.random.RandomState(0))
    assert np.bincount(labels[chosen], minlength=8).tolist() == [0, 4, 0, 10, 0, 0, 0, 6]
    assert len(set(chosen.tolist())) == 20
    other = data.stratified(labels, 0.2, np.random.RandomState(1))
    assert chosen.tolist() != other.tolist()


def test_digits_are_split_and_each_image_is_in_one_part(monkeypatch):
    pictures = np.arange(200)[:, None, None] * np.ones((1, 2, 2))
    monkeypatch.setattr(data, "digits", lambda: (pictures, np.arange(200) % 10))
    parts = data.load(None, seed=1)
    assert [len(part.labels) for part in parts] == [120, 40, 40]
    seen = torch.cat([part.images[:, 0, 0] for part in parts])
    assert sorted(seen.tolist()) == list(range(200))
    assert all(torch.equal(part.labels, part.images[:, 0, 0].long() % 10) for part in parts)


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_is_read(tmp_path, zipped):
    wanted = {part: images(count, seed=count) for part, count in (("train", 30), ("t10k", 20))}
    for part, arrays in wanted.items():
        for kind, array in zip(("images-idx3", "labels-idx1"), arrays):
            path = tmp_path / (f"{part}-{kind}-ubyte" + ".gz" * zipped)
            path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    for (pictures, labels), part in zip(mnist.load(str(tmp_path)), ("train", "t10k")):
        assert pictures.dtype == np.float32 and labels.tolist() == wanted[part][1].tolist()
        assert np.array_equal(np.rint(pictures * 255), wanted[part][0])
        assert pictures.max() == 1
