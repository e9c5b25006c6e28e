"""Files that are damaged, foreign or of another version: one sentence, and no memory claimed."""

import json
import os
import re
import struct

import pytest
import torch
from forged import content_of, forge, memory_limit, sign, taken_apart, with_content

from fairseq_prune.checkpoints.packed.packed_model import PackedModel
from fairseq_prune.pruning import PruneError


def refused(path):
    """The sentence; checks that no more than some MB were asked for."""
    with memory_limit(24 << 20), pytest.raises(PruneError) as error:
        PackedModel(str(path)).decode()
    said = str(error.value)
    assert str(path) in said and "\n" not in said
    return said


def test_truncated_anywhere_or_longer(packed):
    path, _ = packed
    whole = path.read_bytes()
    for length in (0, 1, 7, 8, 9, 60, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "truncated, or" in refused(path)
    for more in (b"\0", b" " * 8, whole):
        path.write_bytes(whole + more)
        assert "longer than its header says" in refused(path)


def test_no_file_or_a_folder(tmp_path):
    assert "No such file" in refused(tmp_path / "nowhere.packed")
    assert "cannot read" in refused(tmp_path)


@pytest.mark.parametrize("length", [2**60, 2**63, 2**64 - 1, 99_999_999, 1, 0])
def test_another_length_of_the_header(packed, length):
    path, _ = packed
    path.write_bytes(struct.pack("<Q", length) + path.read_bytes()[8:])
    assert "truncated, or no packed model" in refused(path)


def test_a_header_as_large_as_the_file_says_but_larger_than_any(tmp_path):
    path = tmp_path / "sparse.packed"
    path.write_bytes(struct.pack("<Q", 2**28))
    os.truncate(str(path), 2**28 + 8)  # takes no room on the disk
    assert "truncated, or no packed model" in refused(path)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda begin, end: [begin - 8, end - 8], "overlap or leave gaps"),
        (lambda begin, end: [begin + 8, end + 8], "overlap or leave gaps"),
        (lambda begin, end: [begin, end + 8], "dense has not the size"),
        (lambda begin, end: [end, begin], "dense has not the size"),
        (lambda begin, end: [-8, end - begin - 8], "dense has not the size"),
        (lambda begin, end: [float(begin), float(end)], "dense has not the size"),
        (lambda begin, end: [begin], "damaged"),
        (lambda begin, end: None, "damaged"),
    ],
)
def test_other_places_of_a_tensor(packed, change, said):
    path, _ = packed
    header, data = taken_apart(path)
    header["dense"]["data_offsets"] = change(*header["dense"]["data_offsets"])
    forge(path, header, data)
    assert said in refused(path)


@pytest.mark.parametrize("version", ["2", "0", 1, None])
def test_another_version(packed, version):
    path, _ = packed
    header, data = taken_apart(path)
    header["__metadata__"]["version"] = version
    forge(path, header, data)
    assert re.search(f"version {version} of the format, this is 1; install", refused(path))


@pytest.mark.parametrize("metadata", [None, {}, [], "fairseq_prune", {"format": "pt"}])
def test_other_metadata(packed, metadata):
    path, _ = packed
    header, data = taken_apart(path)
    forge(path, {**header, "__metadata__": metadata}, data)
    assert "no packed model of fairseq_prune" in refused(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_other_safetensors_files(tmp_path, metadata):
    save_file = pytest.importorskip("safetensors.torch").save_file
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.ones(3, 4)}, str(path), metadata)
    assert "no packed model of fairseq_prune" in refused(path)


@pytest.mark.parametrize("digest", [None, 7, "", "0" * 64, "f" * 64, "\ud800" * 64])
def test_another_checksum(packed, digest):
    path, _ = packed
    header, data = taken_apart(path)
    header["__metadata__"]["sha256"] = digest
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    assert re.search("checksum is|it is damaged", refused(path))


@pytest.mark.parametrize(
    "text",
    [
        b"[]", b"{}", b"null", b"7", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000,
        b"1" * 5000, b'{"__metadata__":{"format":"fairseq_prune","version":"1"}}',
    ],
)  # fmt: skip
def test_a_header_that_is_none(tmp_path, text):
    path = tmp_path / "odd.packed"
    sign(path, text, b"")
    assert "cannot be read as a packed model" in refused(path)


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, 7, None, "NaN", "[1]", "{}"])
def test_a_content_that_is_none(packed, content):
    path, _ = packed
    header, data = taken_apart(path)
    header["__metadata__"]["content"] = content
    forge(path, header, data)
    assert "damaged" in refused(path)


def test_what_was_only_put_together_anew_is_read(packed):
    path, state = packed
    header, data = taken_apart(path)
    forge(path, with_content(header, content_of(header)), data)
    assert torch.equal(PackedModel(str(path)).decode()["pruned"], state["model"]["pruned"])
