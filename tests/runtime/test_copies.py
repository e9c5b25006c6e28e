"""Modules made of products: their state dict, copies of them, and what is saved of them."""

import copy
import io

import pytest
import torch
from matrices import sparse_matrix
from torch import nn

from fairseq_prune.models.stepped_lstm import SteppedLSTM
from fairseq_prune.pruning import PruneError
from fairseq_prune.runtime import auto
from fairseq_prune.runtime.convert import RUNTIMES, _can_be_unwritten, unwritten
from fairseq_prune.runtime.modules import ProductLinear, ProductLSTM, ProductSteppedLSTM

SIZES = [0, 1, 15, 16, 17, 1 << 17, (1 << 17) + 1, 3 * (1 << 16) + 15, 300_007]


def saved(thing):
    """``thing`` through ``torch.save`` and ``torch.load``."""
    file = io.BytesIO()
    torch.save(thing, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(12, 16, 2, bidirectional=True)
        self.decoder = SteppedLSTM(32, 16, 2, bias=False)
        self.out = nn.Linear(16, 30)
        for k, parameter in enumerate(self.parameters()):
            if parameter.dim() == 2:
                parameter.data = sparse_matrix(*parameter.shape, 0.7, seed=k) / 4

    def forward(self, x):
        read, _ = self.encoder(x)
        zeros = x.new_zeros(2, x.shape[1], 16)
        return self.out(self.decoder(read, (zeros, zeros))[0])


def with_products(state, runtime, stored):
    model = Model()
    make = RUNTIMES[runtime]
    model.encoder = ProductLSTM(make, model.encoder)
    model.decoder = ProductSteppedLSTM(make, model.decoder)
    model.out = ProductLinear(make, model.out)
    model.load_state_dict(stored(dict(state)))
    return model.eval()


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.parametrize("runtime", list(RUNTIMES))
@torch.no_grad()
def test_a_copy_is_the_model(runtime, called, stored, monkeypatch):
    monkeypatch.setattr(auto, "SECONDS", 0)
    expected, x = Model().state_dict(), torch.randn(5, 3, 12)
    model = with_products(expected, runtime, stored)
    if called:  # auto chooses at its first call
        model(x)
    state = model.state_dict()
    assert list(state) == list(expected)
    assert all(state[name].shape == expected[name].shape for name in expected)
    if runtime == "sparse":
        assert all(torch.equal(state[name], expected[name]) for name in expected)
    for name in expected:
        assert torch.allclose(state[name], expected[name], atol=0.01), name
        assert not state[name][expected[name] == 0].any() or state[name].dim() == 1
    copied = [copy.deepcopy(model), saved(model)]
    # of what is int8 already, int8 loses nothing further
    copied.append(with_products(saved(state), runtime, stored))
    for number, found in enumerate(copied):
        again = found.state_dict()
        assert all(torch.allclose(again[name], state[name], atol=1e-6) for name in state)
        if runtime != "auto" or called:
            # auto chooses anew, perhaps int8, which rounds x
            close = 0.01 if runtime == "auto" and number == 2 else 1e-4
            assert torch.allclose(found(x), model(x), atol=close)
    assert copied[0].out.bias.data_ptr() != model.out.bias.data_ptr()


def test_elsewhere_and_in_another_precision(stored):
    model = with_products(Model().state_dict(), "sparse", stored)
    assert model.float() is model.to("cpu") is model.eval()
    for move in (model.half, model.double, lambda: model.to("meta")):
        with pytest.raises(PruneError, match="in float32 on the CPU; load it with dense"):
            move()
    model(torch.randn(5, 3, 12))  # as it was


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("draw, numbers", [("uniform_", (-0.1, 0.1)), ("normal_", (0.0, 2.0))])
def test_building_draws_as_many_numbers_and_keeps_none(draw, numbers, dtype):
    assert _can_be_unwritten() or torch.__version__.startswith("1.")
    for size in SIZES:
        torch.manual_seed(1)
        getattr(torch.empty(size, dtype=dtype), draw)(*numbers)
        expected = torch.get_rng_state()
        torch.manual_seed(1)
        kept = torch.full((size,), 7.0, dtype=dtype)
        with unwritten():
            assert getattr(kept, draw)(*numbers) is kept
        assert torch.equal(torch.get_rng_state(), expected), size
        assert size < 1 << 17 or (kept == 7).all() == _can_be_unwritten()
    assert torch.rand(3).uniform_(5, 6).min() >= 5, "afterwards as ever"
