"""Files in the safetensors format: as that package reads them, and written whole or not at all."""

import hashlib
import json
import os

import numpy as np
import pytest
import torch
from forged import content_of, taken_apart

from fairseq_prune.checkpoints.packed.write_container import Entry, write_container
from fairseq_prune.packed.container import Container
from fairseq_prune.pruning import PruneError

ARRAYS = {
    "bytes": np.arange(5, dtype=np.uint8),
    "longs": np.arange(-3, 3, dtype=np.int64).reshape(2, 3),
    "floats": np.linspace(-1, 1, 7, dtype=np.float32),
    "halves": np.linspace(-1, 1, 3, dtype=np.float16),
    "none": np.empty((0, 4), np.float32),
    "one": np.array(0.5),
}
TYPES = {"u1": "U8", "i8": "I64", "f4": "F32", "f2": "F16", "f8": "F64"}


def entry(name, array, pieces=None):
    whole = [array.reshape(-1)[:2], array.reshape(-1)[2:]]
    return Entry(name, TYPES[array.dtype.str[1:]], array.shape, pieces or whole)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "some.packed"
    size = write_container(
        str(path), {"a": [1, None, "ü"]}, [entry(n, a) for n, a in ARRAYS.items()]
    )
    assert size == path.stat().st_size
    return path


def test_the_safetensors_package_reads_it(written):
    safetensors = pytest.importorskip("safetensors")
    with safetensors.safe_open(str(written), "np") as file:
        assert set(file.keys()) == set(ARRAYS)
        for name, array in ARRAYS.items():
            found = file.get_tensor(name)
            assert found.dtype == array.dtype and found.shape == array.shape
            assert found.tobytes() == array.tobytes()
        metadata = file.metadata()
    assert json.loads(metadata.pop("content")) == {"a": [1, None, "ü"]}
    assert metadata == {
        "format": "fairseq_prune", "version": "1", "sha256": metadata["sha256"],
    }  # fmt: skip


def test_the_safetensors_package_reads_a_packed_model(packed):
    safetensors = pytest.importorskip("safetensors")
    path, state = packed
    model, mask = state["model"], state["model"]["pruned"] != 0
    mask[0, :3] = True
    expected = {
        "pruned:values": model["pruned"][mask], "zeros:values": torch.empty(0),
        "state:0": state["extra_state"]["seen"],
    }  # fmt: skip
    for name in ("dense", "half", "tied", "bias", "count", "number", "flags", "none"):
        expected[name] = model[name]
    with safetensors.safe_open(str(path), "pt") as file:
        assert set(file.keys()) == {*expected, "pruned:mask", "zeros:mask"}
        for name, tensor in expected.items():
            found = file.get_tensor(name)
            assert found.dtype == tensor.dtype and found.shape == tensor.shape
            assert torch.equal(found, tensor)
            assert found.dtype == torch.bool or torch.equal(found.signbit(), tensor.signbit())


def test_every_tensor_lies_at_a_multiple_of_its_width(written):
    header, data = taken_apart(written)
    start = len(written.read_bytes()) - len(data)
    del header["__metadata__"]
    for name, said in header.items():
        assert (start + said["data_offsets"][0]) % ARRAYS[name].itemsize == 0


def test_the_checksum_is_of_the_whole_file_with_zeros_in_its_place(written):
    claimed = taken_apart(written)[0]["__metadata__"]["sha256"]
    raw = written.read_bytes()
    assert raw.count(claimed.encode()) == 1
    whole = raw.replace(claimed.encode(), b"0" * 64)
    assert hashlib.sha256(whole).hexdigest() == claimed


def test_what_was_written_is_read(written):
    container = Container(str(written))
    assert container.content == {"a": [1, None, "ü"]} == content_of(taken_apart(written)[0])
    assert container.size == written.stat().st_size
    for name, array in ARRAYS.items():
        assert container.entries[name] == (TYPES[array.dtype.str[1:]], array.shape)
        assert container.read(name).tobytes() == array.tobytes()
        assert container.read(name, 1, 0).size == 0
    assert container.read("longs", 2, 3).tolist() == [-1, 0, 1]


def test_a_tensor_it_does_not_have(written):
    with pytest.raises(PruneError, match="some.packed has no floets"):
        Container(str(written)).read("floets")


def test_a_file_that_becomes_shorter_while_it_is_read(written):
    container = Container(str(written))
    os.truncate(str(written), written.stat().st_size - 1)
    with pytest.raises(PruneError, match="shorter"):
        container.read("bytes")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, PruneError, MemoryError])
@pytest.mark.parametrize("before", [None, b"precious"])
def test_writing_that_is_interrupted_leaves_what_was_there(tmp_path, error, before):
    def pieces():
        yield np.zeros(3, np.uint8)
        raise error("stop")

    path = tmp_path / "some.packed"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(error, match="stop"):
        entries = [entry("a", ARRAYS["bytes"]), entry("b", ARRAYS["bytes"], pieces())]
        write_container(str(path), {}, entries)
    assert [f.read_bytes() for f in tmp_path.iterdir()] == ([before] if before else [])


def test_a_full_disk_is_named(tmp_path):
    def pieces():
        raise OSError(28, "No space left on device")
        yield

    with pytest.raises(PruneError, match="cannot write .*some.packed: No space left"):
        entries = [entry("a", ARRAYS["bytes"], pieces())]
        write_container(str(tmp_path / "some.packed"), {}, entries)
    assert not list(tmp_path.iterdir())
