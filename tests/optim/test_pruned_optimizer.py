"""Each pruned_<optimizer> against its original with weights, state and gradients masked by hand."""

import pytest
import torch
from fairseq.optim import OPTIMIZER_DATACLASS_REGISTRY, OPTIMIZER_REGISTRY, build_optimizer
from omegaconf import OmegaConf

HUGE, NAN, INF = 1e30, float("nan"), float("inf")


@pytest.mark.parametrize("twin", sorted(n for n in OPTIMIZER_REGISTRY if n.startswith("pruned_")))
def test_whatever_can_be_built_here_keeps_pruned_weights_at_zero(twin, start):
    try:
        run = start(twin)
    except SystemExit as error:
        assert twin in ("pruned_cpu_adam", "pruned_lamb")
        pytest.skip(f"not on this machine: {error}")
    run.step(seed=0)
    run.hold()
    for seed in (1, 2):
        run.step(seed)
        assert run.is_clean()


def test_every_optimizer_of_fairseq_but_composite_has_a_twin():
    originals = {n for n, cls in OPTIMIZER_REGISTRY.items() if cls.__module__[:8] == "fairseq."}
    for name in originals - {"composite"}:
        assert issubclass(OPTIMIZER_REGISTRY[f"pruned_{name}"], OPTIMIZER_REGISTRY[name])
    assert "pruned_composite" not in OPTIMIZER_REGISTRY


@pytest.mark.parametrize("flags", [None, []], ids=["options", "defaults"])
def test_options_are_those_of_the_original(name, flags, start):
    ours, theirs = start(f"pruned_{name}", flags), start(name, flags)
    assert ours.optimizer.optimizer.defaults == theirs.optimizer.optimizer.defaults
    assert type(ours.optimizer.optimizer) is type(theirs.optimizer.optimizer)


def test_a_config_that_says_nothing_means_the_defaults_of_the_original(name, start):
    """As in YAML, where no argument parser has filled anything in."""
    options = OPTIMIZER_DATACLASS_REGISTRY[f"pruned_{name}"]
    config = OmegaConf.structured(options())
    config._name, config.lr = f"pruned_{name}", [0.1]
    if "tpu" in options.__dataclass_fields__:
        config.tpu = False  # points to another part of the whole config
    ours = build_optimizer(config, [torch.nn.Parameter(torch.ones(2, 2))])
    assert ours.optimizer.defaults == start(name, []).optimizer.optimizer.defaults


def test_before_hold_it_is_the_original_bit_for_bit(name, start):
    ours, theirs = start(f"pruned_{name}"), start(name)
    for seed in range(4):
        assert ours.step(seed) == theirs.step(seed)
        assert ours.equals(theirs)
    assert ours.optimizer.state_dict().keys() == theirs.optimizer.state_dict().keys()
    assert ours.optimizer.prune_record is None


@pytest.mark.parametrize("at_pruned", [None, HUGE, NAN, -INF])
@pytest.mark.parametrize("dense_steps", [0, 3])
def test_kept_weights_train_as_with_masked_gradients(name, at_pruned, dense_steps, start):
    ours, theirs = start(f"pruned_{name}"), start(name)
    for seed in range(dense_steps):
        ours.step(seed)
        theirs.step(seed)
    ours.hold()
    theirs.zero_by_hand()
    assert ours.equals(theirs)
    for seed in range(10, 15):
        assert ours.step(seed, at_pruned) == theirs.step(seed, at_pruned=0.0)
        assert ours.equals(theirs)


@pytest.mark.parametrize("at_pruned", [None, HUGE, NAN])
def test_weights_and_state_are_zero_where_pruned_and_only_there(name, at_pruned, start):
    run = start(f"pruned_{name}")
    for seed in range(3):
        run.step(seed)
    run.hold()
    for seed in range(10, 15):
        assert run.is_clean()
        for value, gone in run.state():
            assert (value[gone] == 0).all() and (value[~gone] != 0).all()
        run.step(seed, at_pruned)
    assert all((param[~gone] != 0).all() for param, gone in zip(run.params, run.pruned))


def test_weights_and_state_are_zero_after_a_step_without_clipping(name, start):
    """A training loop that never takes the gradient norm: nothing has masked its gradients."""
    run = start(f"pruned_{name}")
    run.hold()
    for seed in range(3):
        run.set_gradients(seed)
        run.optimizer.step()
        assert run.is_clean()
        for value, gone in run.state():
            assert (value[gone] == 0).all() and (value[~gone] != 0).all()


@pytest.mark.parametrize("moving", ["sgd", "nag", "adam", "adamax", "adafactor"])
def test_masking_gradients_alone_would_not_do(moving, start):
    """That the tests above can fail: momentum revives weights whose gradient is zero."""
    run = start(moving)
    run.step(seed=0)
    for param, gone in zip(run.params, run.pruned):
        param.data[gone] = 0.0
    run.step(seed=1, at_pruned=0.0)
    assert not run.is_clean()


@pytest.mark.parametrize("at_pruned", [None, HUGE, NAN, INF])
@pytest.mark.parametrize("max_norm", [0.0, 1000.0, 0.25])
def test_the_gradient_norm_is_that_of_kept_weights(at_pruned, max_norm, start):
    run = start("pruned_sgd")
    run.hold()
    run.set_gradients(seed=5, at_pruned=0.0)
    kept = [param.grad.clone() for param in run.params]
    norm = sum(float(grad.double().square().sum()) for grad in kept) ** 0.5
    run.set_gradients(seed=5, at_pruned=at_pruned)
    assert float(run.optimizer.clip_grad_norm(max_norm)) == pytest.approx(norm, rel=1e-6)
    scale = min(1.0, max_norm / norm) if max_norm else 1.0  # 0: no clipping
    for param, grad in zip(run.params, kept):
        torch.testing.assert_close(param.grad, grad * scale)


def test_the_norm_over_shards_sees_kept_weights_only(start):
    run = start("pruned_sgd")
    run.hold()
    for param in run.params:
        param.grad = torch.ones_like(param)
    kept = 24 + 15 + 7 - sum(int(gone.sum()) for gone in run.pruned)
    norm = run.optimizer.clip_grad_norm(0.0, aggregate_norm_fn=lambda total: total * 2)
    assert float(norm) == pytest.approx(2 * kept**0.5)


def test_a_parameter_without_gradient_is_left_in_peace(start):
    run = start("pruned_adam")
    run.hold()
    run.params[1].grad = torch.randn(3, 5)
    run.optimizer.clip_grad_norm(1.0)
    run.optimizer.step()
    assert run.is_clean() and run.params[0].grad is None
