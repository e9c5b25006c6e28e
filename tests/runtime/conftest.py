"""Weights to multiply: in memory, in a packed file, in a mapped checkpoint."""

import pytest
import torch

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.checkpoints.packed.packed_model import PackedModel
from fairseq_prune.checkpoints.reading import TAKES_SAFE_TYPES
from fairseq_prune.fairseq_fixes.reading import lazy_state, mapped_state

WHERE = ["memory", "packed"] + ["mapped"] * TAKES_SAFE_TYPES


@pytest.fixture(params=WHERE)
def stored(request, tmp_path):
    """A function from named weights to the same weights, read from somewhere."""

    def store(named):
        if request.param == "memory":
            return named
        path = str(tmp_path / "model.pt")
        torch.save({"model": named, "cfg": {}, "extra_state": {}}, path)
        if request.param == "mapped":
            return mapped_state(path)["model"]
        pack_checkpoint(path, str(tmp_path / "model.packed"))
        return lazy_state(PackedModel(str(tmp_path / "model.packed")))["model"]

    return store
