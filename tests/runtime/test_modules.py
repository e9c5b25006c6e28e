"""Modules made of products against torch's own with the same state dict."""

import pytest
import torch
from matrices import sparse_matrix
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from fairseq_prune.models.stepped_lstm import SteppedLSTM
from fairseq_prune.runtime import auto
from fairseq_prune.runtime.convert import convert_
from fairseq_prune.runtime.modules import (
    ProductLinear,
    ProductLSTM,
    ProductLSTMCell,
    ProductSteppedLSTM,
)
from fairseq_prune.runtime.products import KINDS


def pruned(module):
    for k, parameter in enumerate(module.parameters()):
        if parameter.dim() == 2:
            parameter.data = sparse_matrix(*parameter.shape, 0.6, seed=k) / 4
    return module


def like(module, kind, product_class, stored):
    """``module`` with products of ``kind`` for its weights, loaded from its state dict."""
    made = product_class(lambda weights, name: KINDS[kind](weights), module)
    parent = nn.ModuleDict({"m": made})
    parent.load_state_dict(stored({f"m.{n}": t for n, t in module.state_dict().items()}))
    return made


def close(a, b):
    assert a.shape == b.shape
    assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_linear(kind, bias, stored):
    module = pruned(nn.Linear(20, 30, bias=bias))
    made = like(module, kind, ProductLinear, stored)
    x = torch.randn(4, 3, 20)
    close(made(x), module(x))
    assert torch.equal(made.weight, module.weight)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_lstm_cell(kind, bias, stored):
    module = pruned(nn.LSTMCell(12, 16, bias=bias))
    made = like(module, kind, ProductLSTMCell, stored)
    x, state = torch.randn(5, 12), (torch.randn(5, 16), torch.randn(5, 16))
    for mine, expected in zip(made(x, state), module(x, state)):
        close(mine, expected)
    for mine, expected in zip(made(x), module(x)):
        close(mine, expected)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("lengths", [None, [7, 5, 5, 1], [2, 7, 1, 4]])
@torch.no_grad()
def test_lstm(bidirectional, lengths, stored):
    module = pruned(nn.LSTM(12, 16, 3, bidirectional=bidirectional)).eval()
    made = like(module, "sparse", ProductLSTM, stored)
    x = torch.randn(7, 4, 12)
    first = tuple(torch.randn(6 if bidirectional else 3, 4, 16) for _ in range(2))
    for state in (None, first):
        if lengths is not None:
            packed = pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
            (mine, my_state), (expected, its_state) = made(packed, state), module(packed, state)
            close(pad_packed_sequence(mine)[0], pad_packed_sequence(expected)[0])
        else:
            (mine, my_state), (expected, its_state) = made(x, state), module(x, state)
            close(mine, expected)
        for a, b in zip(my_state, its_state):
            close(a, b)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("steps, texts", [(6, 3), (1, 40), (300, 2), (270, 1), (5, 0)])
@torch.no_grad()
def test_stepped_lstm(kind, bias, steps, texts, stored):
    """Also of more steps than the engine reads at once, and at one time step."""
    module = pruned(SteppedLSTM(12, 16, 2, bias=bias)).eval()
    made = like(module, kind, ProductSteppedLSTM, stored)
    x, state = torch.randn(steps, texts, 12), tuple(torch.randn(2, texts, 16) for _ in range(2))
    before = [part.clone() for part in state]
    (mine, my_state), (expected, its_state) = made(x, state), module(x, state)
    for a, b in zip((mine, *my_state), (expected, *its_state)):
        close(a, b)
    first = x[0], (state[0][0], state[1][0])
    for a, b in zip(made.cell(0, *first), module.cell(0, *first)):
        close(a, b)
    assert all(map(torch.equal, state, before))


@pytest.mark.parametrize("kind", list(KINDS))
@torch.no_grad()
def test_whole_layers_are_tried_of_a_stepped_lstm(kind, stored, monkeypatch):
    """Since the engine's kinds have all steps in one call, and are not as fast step by step."""
    tried = []

    def time_in_turn(products, use):
        tried.append({name: use(product) for name, product in products.items()})
        return {name: float(name != kind) for name in products}

    monkeypatch.setattr(auto, "time_in_turn", time_in_turn)
    module = pruned(SteppedLSTM(12, 16, 2)).eval()
    made = ProductSteppedLSTM(auto.Auto, module)
    parent = nn.ModuleDict({"m": made})
    parent.load_state_dict(stored({f"m.{n}": t for n, t in module.state_dict().items()}))
    x, state = torch.randn(6, 3, 12), tuple(torch.randn(2, 3, 16) for _ in range(2))
    made(x, state)
    assert [product.kind for product in made.products.values()] == [kind, kind]
    expected, (h, _) = module(x, state)
    for output, (last, _) in tried[-1].values():
        assert torch.allclose(output, expected, atol=0.01)  # eight bits are near
        assert torch.allclose(last, h[1], atol=0.01)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@torch.no_grad()
def test_states_of_a_stepped_lstm(kind, stored):
    """However they lie in memory; those of other texts or layers are refused."""
    module = pruned(SteppedLSTM(12, 16, 2)).eval()
    made = like(module, kind, ProductSteppedLSTM, stored)
    x, state = torch.randn(4, 3, 12), tuple(torch.randn(2, 16, 3).transpose(1, 2) for _ in "hc")
    expected = module(x, tuple(part.contiguous() for part in state))[0]
    close(made(x, state)[0], expected)
    for shape, error in (((2, 1, 16), RuntimeError), ((1, 3, 16), IndexError)):
        with pytest.raises(error):
            made(x, (torch.zeros(shape),) * 2)


@pytest.mark.parametrize("kind", ["dense", "sparse"])
@torch.no_grad()
def test_batches_of_none(kind, stored):
    module = pruned(nn.Linear(20, 30))
    made = like(module, kind, ProductLinear, stored)
    for shape in ((0, 20), (0, 3, 20), (2, 0, 20)):
        close(made(torch.randn(shape)), module(torch.randn(shape)))
    nothing = nn.Linear(0, 30)
    close(like(nothing, kind, ProductLinear, stored)(torch.randn(4, 0)), nothing(torch.randn(4, 0)))
    cell, x = pruned(nn.LSTMCell(12, 16)), torch.randn(0, 12)
    for mine, expected in zip(like(cell, kind, ProductLSTMCell, stored)(x), cell(x)):
        close(mine, expected)
    lstm, x = pruned(nn.LSTM(12, 16, 2, bidirectional=True)), torch.randn(5, 0, 12)
    (mine, my_state), (expected, its_state) = like(lstm, kind, ProductLSTM, stored)(x), lstm(x)
    for a, b in zip((mine, *my_state), (expected, *its_state)):
        close(a, b)


def test_what_does_not_fit_is_named():
    made = ProductLinear(lambda weights, name: KINDS["dense"](weights), nn.Linear(3, 4))
    with pytest.raises(RuntimeError, match=r"weight is \(4, 5\), the model's is \(4, 3\)"):
        made.load_state_dict({"weight": torch.zeros(4, 5), "bias": torch.zeros(4)})
    with pytest.raises(RuntimeError, match="Missing key.*bias"):
        made.load_state_dict({"weight": torch.zeros(4, 3)})


def test_layers_with_weight_normalisation_stay_as_they_are():
    """Those of fconv: their weight is made of two parameters."""
    model = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 3)), nn.Linear(3, 2))
    convert_(model, "sparse")
    assert type(model[0]) is nn.Linear and isinstance(model[1], ProductLinear)
