"""Images to train with: files of MNIST's format, and tensors."""

import gzip
import importlib.util
import sys
from pathlib import Path

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


@pytest.fixture
def own_scores(monkeypatch):
    """The example of scores of one's own, imported as a --user-dir is, for the time of a test."""
    from fairseq_prune.pruning import SCORES

    folder = Path(__file__).resolve().parents[2] / "examples" / "own_scores"
    before = dict(SCORES)
    spec = importlib.util.spec_from_file_location(
        "own_scores", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    yield module
    for name in [name for name in sys.modules if name.startswith("own_scores.")]:
        del sys.modules[name]
    SCORES.clear()
    SCORES.update(before)


@pytest.fixture(autouse=True)
def one_thread():
    """As the command's own processes: more threads add up in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
