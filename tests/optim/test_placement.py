"""Where fp16 training keeps the weights, in the layout that fairseq itself builds."""

from types import SimpleNamespace

import pytest
import torch
from fairseq.optim.fp16_optimizer import FP16Optimizer
from torch import nn

from fairseq_prune.optim.placement import innermost, master_view, masters, unwrap
from fairseq_prune.optim.pruned_optimizer import Held

SHAPES = {"a": (2, 3), "b": (4,), "c": (3, 2)}


@pytest.fixture
def halves():
    torch.manual_seed(0)
    return {name: nn.Parameter(torch.randn(shape).half()) for name, shape in SHAPES.items()}


class Wrapper:
    """The attributes of an FP16Optimizer that say where its masters are."""

    has_flat_params = FP16Optimizer.has_flat_params

    def __init__(self, fp16_params, fp32_params):
        self.fp16_params, self.fp32_params = fp16_params, fp32_params


def wrapper(params, flatten, monkeypatch):
    # the only thing of CUDA in there; None is also the index of the CPU
    monkeypatch.setattr(torch.cuda, "current_device", lambda: None)
    return Wrapper(params, FP16Optimizer.build_fp32_params(None, params, flatten=flatten))


@pytest.mark.parametrize("kind", ["flat, by device", "flat", "one by one"])
def test_masters_hold_the_numbers_of_their_parameters(kind, halves, monkeypatch):
    optimizer = wrapper(list(halves.values()), kind != "one by one", monkeypatch)
    if kind == "flat":
        optimizer.fp32_params = optimizer.fp32_params[None]
    placed = masters(optimizer, halves)
    for name, half in halves.items():
        view = master_view(*placed[name], like=half)
        assert view.dtype == torch.float32 and torch.equal(view, half.data.float())
    assert [offset for _, offset in placed.values()] == (
        [0, 0, 0] if kind == "one by one" else [0, 6, 10]
    )


def test_the_order_is_that_of_the_optimizer_not_of_the_names(halves, monkeypatch):
    optimizer = wrapper([halves["c"], halves["a"]], True, monkeypatch)
    placed = masters(optimizer, halves)
    assert torch.equal(master_view(*placed["a"], like=halves["a"]), halves["a"].data.float())
    assert placed["b"] == (halves["b"], 0)  # not trained: it is its own master


def test_a_view_writes_into_the_master(halves, monkeypatch):
    optimizer = wrapper(list(halves.values()), True, monkeypatch)
    master_view(*masters(optimizer, halves)["b"], like=halves["b"]).fill_(7.0)
    assert (optimizer.fp32_params[None][6:10] == 7).all()
    assert not (optimizer.fp32_params[None][:6] == 7).any()


def test_without_masters_parameters_are_their_own():
    named = {"a": nn.Parameter(torch.ones(2))}
    assert masters(SimpleNamespace(), named) == {"a": (named["a"], 0)}


def test_masks_on_a_flat_master_train_like_masks_on_each_parameter(build):
    torch.manual_seed(0)
    separate = [nn.Parameter(torch.randn(shape)) for shape in SHAPES.values()]
    flat = nn.Parameter(torch.cat([p.data.flatten() for p in separate]))
    masks = {0: torch.rand(2, 3) < 0.5, 2: torch.rand(3, 2) < 0.5}
    starts = {0: 0, 2: 10}
    one = build("pruned_adam", [flat], ["--weight-decay", "0.1"])
    each = build("pruned_adam", separate, ["--weight-decay", "0.1"])
    for update in range(6):
        if update == 2:
            one.hold({}, [Held.place(flat, starts[i], mask) for i, mask in masks.items()])
            each.hold({}, [Held.place(separate[i], 0, mask) for i, mask in masks.items()])
        for p in separate:
            p.grad = torch.randn(p.shape)
        flat.grad = torch.cat([p.grad.flatten() for p in separate])
        norms = [float(optimizer.clip_grad_norm(1.0)) for optimizer in (one, each)]
        assert norms[0] == pytest.approx(norms[1], rel=1e-6)
        for optimizer in (one, each):
            optimizer.step()
        torch.testing.assert_close(flat.data, torch.cat([p.data.flatten() for p in separate]))
    for i, mask in masks.items():
        part = flat[starts[i] : starts[i] + mask.numel()].view(mask.shape)
        assert torch.equal(part != 0, mask)
        moments = one.optimizer.state[flat]["exp_avg"][starts[i] : starts[i] + mask.numel()]
        assert torch.equal(moments.view(mask.shape) != 0, mask)


def test_the_innermost_optimizer_is_the_one_that_steps():
    inner = SimpleNamespace()
    assert innermost(inner) is inner
    half = SimpleNamespace(fp32_optimizer=inner)
    assert innermost(SimpleNamespace(wrapped_optimizer=half)) is inner


def test_wrappers_of_a_model_are_taken_off():
    model = nn.Linear(2, 2)
    wrapped = nn.Module()
    wrapped.module = nn.Module()
    wrapped.module.module = model
    assert unwrap(wrapped) is model and unwrap(model) is model
