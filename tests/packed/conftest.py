"""A small packed file of every kind of tensor there is."""

from argparse import Namespace
from collections import OrderedDict

import pytest
import torch

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.pruning import pack


def some_model():
    torch.manual_seed(0)
    pruned = torch.randn(30, 20).masked_fill(torch.rand(30, 20) > 0.2, 0.0)
    tied = torch.randn(6, 5)
    return OrderedDict(
        {
            "pruned": pruned,
            "dense": torch.randn(7, 3),
            "half": torch.randn(9, 4).half(),
            "tied": tied,
            "tied.too": tied,
            "zeros": torch.zeros(50, 10),
            "bias": torch.tensor([0.0, -0.0, 1.5]),
            "count": torch.tensor([7]),
            "number": torch.tensor(0.25),
            "flags": torch.tensor([True, False]),
            "none": torch.empty(0, 4),
        }
    )


def some_state():
    model = some_model()
    mask = model["pruned"] != 0
    mask[0, :3] = True  # kept zeros
    record = {
        "version": 1, "scheme": "class-blind", "sparsity": 0.8, "threshold": {"all": 0.5},
        "masks": {"pruned": pack(mask)}, "shapes": {"pruned": [30, 20]},
    }  # fmt: skip
    return {
        "args": Namespace(arch="lstm", lr=[0.5]),
        "cfg": {"task": {"data": "data"}, "steps": (1, 2.5, None)},
        "model": model,
        "last_optimizer_state": {"state": {0: torch.ones(9)}, "prune": record},
        "extra_state": {"best": float("inf"), "seen": torch.arange(5)},
    }


@pytest.fixture
def packed(tmp_path):
    """The path of the packed file, and the state that it was made from."""
    torch.save(some_state(), str(tmp_path / "model.pt"))
    pack_checkpoint(str(tmp_path / "model.pt"), str(tmp_path / "model.packed"))
    return tmp_path / "model.packed", some_state()
