"""Images to train with: files of MNIST's format, and tensors."""

import gzip

import pytest
import torch
from digits import COLUMNS, ROWS, data, idx, images


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """MNIST's four files with smaller and fewer images: training plain, test gzipped."""
    folder = tmp_path_factory.mktemp("mnist")
    for part, count in (("train", 120), ("t10k", 40)):
        pictures, labels = images(count, seed=count)
        for kind, array in (("images-idx3", pictures), ("labels-idx1", labels)):
            if part == "train":
                (folder / f"{part}-{kind}-ubyte").write_bytes(idx(array))
            else:
                (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    return folder


@pytest.fixture
def split():
    """Random images and labels."""
    g = torch.Generator().manual_seed(0)

    def part(count):
        labels = torch.randint(0, 10, (count,), generator=g)
        return data.Part(torch.rand(count, ROWS, COLUMNS, generator=g), labels)

    return data.Split(part(96), part(40), part(40))
