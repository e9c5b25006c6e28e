"""Shortlists in packed files: what is read is what was written, or refused."""

import numpy as np
import pytest
from forged import forge, taken_apart
from packed.conftest import some_state

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.packed.container import Container
from fairseq_prune.packed.shortlist import Shortlist, read_shortlist
from fairseq_prune.pruning import PruneError


def some(largest=900):
    return Shortlist(
        np.array([2, 0, 3, 1]),
        np.array([5, 9, 4, 11, largest, 8], np.int32),
        np.array([4, 6], np.int32),
    )


def packed_with(shortlist, folder):
    import torch

    torch.save(some_state(), folder / "model.pt")
    pack_checkpoint(str(folder / "model.pt"), str(folder / "packed"), shortlist=shortlist)
    return folder / "packed"


@pytest.mark.parametrize("largest", [900, 40_000, 65_535, 65_536, 200_000])
def test_what_is_read_was_written(largest, tmp_path):
    path = packed_with(some(largest), tmp_path)
    found = read_shortlist(Container(str(path)))
    for name in ("counts", "words", "frequent"):
        assert getattr(found, name).tolist() == getattr(some(largest), name).tolist()
    assert found.fits(4, largest + 1)
    others = [(3, largest + 1), (5, largest + 1), (4, largest)]
    assert not any(found.fits(*words) for words in others)


def test_choices():
    found = some()
    for words in ([], [1], [0, 0, 3], [3, 2, 1, 0]):
        expected = {1, 2, 4, 6}
        for word in words:
            expected |= set([[5, 9], [], [4, 11, 900], [8]][word])
        assert found.choices(words, (2, 1), 901).tolist() == sorted(expected)


@pytest.mark.parametrize("lost", ["words", "frequent"])
def test_a_part_is_lost(lost, tmp_path):
    path = packed_with(some(), tmp_path)
    header, data = taken_apart(path)
    header[f"shortlist:{lost}x"] = header.pop(f"shortlist:{lost}")
    forge(path, header, data)
    with pytest.raises(PruneError, match="damaged"):
        read_shortlist(Container(str(path)))


def test_counts_that_are_of_others(tmp_path):
    path = packed_with(some(), tmp_path)
    header, data = taken_apart(path)
    begin = header["shortlist:counts"]["data_offsets"][0]
    data = bytearray(data)
    data[begin] += 1
    forge(path, header, bytes(data))
    with pytest.raises(PruneError, match="its shortlist is not complete"):
        read_shortlist(Container(str(path)))


def test_files_without(packed):
    assert read_shortlist(Container(packed[0])) is None
