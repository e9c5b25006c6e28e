"""Invariants 2 and 3 under fairseq's own mixed-precision optimizers, on the CPU.

The same on a GPU, end to end, is in ``end_to_end/test_gpu.py``.
"""

import copy
from types import SimpleNamespace

import pytest
import torch
from fairseq import optim
from fairseq.dataclass.configs import FairseqConfig
from fairseq.optim import OPTIMIZER_DATACLASS_REGISTRY
from omegaconf import OmegaConf
from torch import nn

import fairseq_prune  # noqa: F401  (registers)
from fairseq_prune import pruning
from fairseq_prune.optim import pruned_optimizer
from fairseq_prune.optim.placement import innermost, master_view, masters
from fairseq_prune.pruning import PruneError, unpack
from fairseq_prune.tasks import pruner
from fairseq_prune.tasks.agreement import digest
from fairseq_prune.tasks.fairseq_options import FAIRSEQ_OPTIONS
from fairseq_prune.tasks.options import OPTIONS
from fairseq_prune.tasks.pruner import Pruner

MODES = {
    "fp16": ("FP16Optimizer", torch.float16, {"fp16": True}),
    "fp16, not flat": (
        "FP16Optimizer", torch.float16, {"fp16": True, "fp16_no_flatten_grads": True},
    ),
    "bf16": ("FP16Optimizer", torch.bfloat16, {"bf16": True}),
    "memory-efficient fp16": ("MemoryEfficientFP16Optimizer", torch.float16, {"fp16": True}),
    "memory-efficient bf16": ("MemoryEfficientFP16Optimizer", torch.bfloat16, {"bf16": True}),
    "amp": ("AMPOptimizer", torch.float32, {"amp": True}),
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_cuda(monkeypatch):
    # what FP16Optimizer asks of it; None is also the index of the CPU
    monkeypatch.setattr(torch.cuda, "current_device", lambda: None)


class Run:
    """A model of two matrices and a vector, pruned to a half before its third update."""

    def __init__(self, mode, name="pruned_adam", **task):
        wrapper, dtype, common = MODES[mode]
        torch.manual_seed(0)
        self.model = nn.Module()
        for key, shape in (("a", (4, 6)), ("b", (3, 5)), ("c", (7,))):
            self.model.register_parameter(key, nn.Parameter(torch.randn(shape).to(dtype)))
        cfg = OmegaConf.structured(FairseqConfig())
        cfg.common.update({**common, "fp16_init_scale": 4})
        cfg.optimizer = OPTIMIZER_DATACLASS_REGISTRY[name]()
        OmegaConf.set_struct(cfg, False)
        cfg.optimizer._name, cfg.optimizer.lr = name, [0.1]
        if hasattr(cfg.optimizer, "weight_decay"):
            cfg.optimizer.weight_decay = 0.1
        self.optimizer = getattr(optim, wrapper).build_optimizer(cfg, list(self.model.parameters()))
        config = {name: default for name, _, default, _ in OPTIONS}
        config.update((name, None) for name, _, _ in FAIRSEQ_OPTIONS)
        config.update(
            save_dir="run", restore_file="checkpoint_last.pt", max_update=0,
            prune_scheme="class-blind", prune_sparsity=0.5, prune_begin=2,
        )  # fmt: skip
        config.update(task)
        self.pruner = Pruner(SimpleNamespace(**config))
        self.updates, self.calibrate = 0, None

    def update(self):
        self.pruner.before_update(self.model, self.optimizer, None, self.updates, self.calibrate)
        self.optimizer.zero_grad()
        torch.manual_seed(self.updates)
        weights = {n: torch.randn(p.shape) for n, p in self.model.named_parameters()}
        loss = sum((p.float() * weights[n]).sum() for n, p in self.model.named_parameters())
        self.optimizer.backward(loss)
        self.optimizer.multiply_grads(1.0)
        norm = self.optimizer.clip_grad_norm(1.0)
        self.optimizer.step()
        self.updates += 1
        return float(norm), weights

    def masks(self):
        record = innermost(self.optimizer).prune_record
        return {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}

    def named(self):
        return dict(self.model.named_parameters())

    def masters(self):
        return {
            name: master_view(*place, like=self.named()[name])
            for name, place in masters(self.optimizer, self.named()).items()
        }


def positive_zero(tensor):
    return not tensor.any() and not torch.signbit(tensor).any()


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


@pytest.mark.parametrize("name", ["pruned_adam", "pruned_sgd"])
def test_models_masters_and_moments_are_zero_where_pruned(mode, name):
    if name == "pruned_sgd" and mode.startswith("memory"):
        pytest.skip("fairseq's sgd does not support it")
    run = Run(mode, name)
    for _ in range(6):
        run.update()
    masks = run.masks()
    assert sorted(masks) == ["a", "b"]
    assert sum(int((~m).sum()) for m in masks.values()) == round(0.5 * 39)
    inner = innermost(run.optimizer)
    for key, mask in masks.items():
        assert positive_zero(run.named()[key].data[~mask])
        assert positive_zero(run.masters()[key][~mask])
        assert run.masters()[key][mask].all()
        master, offset = masters(run.optimizer, run.named())[key]
        for value in inner.optimizer.state[master].values():
            if torch.is_tensor(value) and value.shape == master.shape:
                assert positive_zero(master_view(value, offset, like=mask)[~mask])


def test_the_masters_are_what_is_ranked(mode):
    """Two updates move them away from the rounded copies; the smallest of them go."""
    run = Run(mode)
    for _ in range(2):
        run.update()
    before = {name: m.clone() for name, m in run.masters().items()}
    run.update()
    size = torch.cat([before[name].abs().flatten() for name in ("a", "b")]).float()
    order = torch.sort(size, stable=True)[1]
    expected = torch.ones(39, dtype=torch.bool)
    expected[order[:20]] = False  # round(19.5) is even
    assert torch.equal(torch.cat([m.flatten() for m in run.masks().values()]), expected)


def test_the_gradient_norm_is_of_what_is_left(mode):
    run = Run(mode)
    for _ in range(3):
        run.update()
    norm, gradients = run.update()
    masks = run.masks()
    kept = [g[masks[n]] if n in masks else g.flatten() for n, g in gradients.items()]
    assert norm == pytest.approx(float(torch.cat(kept).norm()), rel=1e-2)
    assert norm < 0.95 * float(torch.cat([g.flatten() for g in gradients.values()]).norm())


def test_each_mask_is_converted_once(mode, monkeypatch):
    """Between its forms: a byte a weight, a bit a weight, whole bytes of ones."""
    run, done = Run(mode), []
    for _ in range(2):
        run.update()
    for module in (pruning.mask, pruning.record, pruned_optimizer):
        for name in {"pack", "unpack", "keep_bits"} & set(vars(module)):
            real = getattr(module, name)
            monkeypatch.setattr(
                module, name, lambda *a, real=real: done.append(real.__name__) or real(*a)
            )
    monkeypatch.setattr(pruner, "check_agreement", lambda record, device: digest(record))
    run.update()
    assert sorted(run.masks()) == ["a", "b"]
    assert sorted(done) == ["keep_bits"] * 2 + ["pack"] * 2


def test_a_resumed_run_goes_on_under_the_mask(mode):
    whole = Run(mode)
    for _ in range(4):
        whole.update()
    state = copy.deepcopy(whole.optimizer.state_dict())
    cut = Run(mode)
    with torch.no_grad():
        for name, param in cut.model.named_parameters():
            param.copy_(whole.named()[name])
            cut.masters()[name].copy_(whole.masters()[name])
    cut.optimizer.load_state_dict(state)
    cut.updates = 4
    for run in (whole, cut):
        run.update()
    for name, param in cut.named().items():
        assert torch.equal(param, whole.named()[name])
    assert all(torch.equal(m, whole.masks()[n]) for n, m in cut.masks().items())


def looks_at(gradients):
    """What calibrates with ``gradients``, of a batch each, in place of data."""

    def calibrate(statistic, names):
        for batch in gradients:
            statistic.add({name: batch[name] for name in names})
        return statistic.mean()

    return calibrate


def kept_of(scores, count):
    """Flat: all but the ``count`` lowest."""
    flat = torch.cat([scores[name].double().flatten() for name in ("a", "b")])
    keep = torch.ones(len(flat), dtype=torch.bool)
    keep[torch.sort(flat, stable=True)[1][:count]] = False
    return keep


def test_the_state_of_adam_is_that_of_each_weight(mode):
    """Also where it is one vector of all weights, or is kept for the masters."""
    run = Run(mode, prune_score="adam:exponent=0.5,damping=0", prune_row_floor=0.0)
    for _ in range(2):
        run.update()
    masters = {name: m.clone().float() for name, m in run.masters().items()}
    state = innermost(run.optimizer).optimizer.state.values()
    flat = torch.cat([value["exp_avg_sq"].float().flatten() for value in state])
    squares = dict(zip("abc", (p.clone() for p in flat.split([24, 15, 7]))))
    run.update()
    scores = {name: masters[name].abs().flatten() * squares[name].sqrt() for name in "ab"}
    found = torch.cat([m.flatten() for m in run.masks().values()])
    assert int((found ^ kept_of(scores, 20)).sum()) <= 2, "rounding"


def test_a_score_with_data_ranks_the_masters(mode):
    run = Run(mode, prune_score="taylor", prune_row_floor=0.0)
    gradients = [{n: torch.rand(p.shape) for n, p in run.named().items()} for _ in range(3)]
    run.calibrate = looks_at(gradients)
    for _ in range(2):
        run.update()
    masters = {name: m.clone().float() for name, m in run.masters().items()}
    run.update()
    scores = {name: masters[name].abs() * sum(g[name] for g in gradients) for name in "ab"}
    found = torch.cat([m.flatten() for m in run.masks().values()])
    assert torch.equal(found, kept_of(scores, 20))


@pytest.mark.parametrize("score", ["obs", "kron"])
def test_what_makes_up_for_the_pruned_is_in_masters_and_model(mode, score):
    run = Run(mode, prune_score=score)
    gradients = [{n: torch.randn(p.shape) for n, p in run.named().items()} for _ in range(9)]
    run.calibrate = looks_at(gradients)
    for _ in range(2):
        run.update()
    before = {name: m.clone() for name, m in run.masters().items()}
    # the pruning alone
    run.pruner.before_update(run.model, run.optimizer, None, run.updates, run.calibrate)
    for name, mask in run.masks().items():
        master, weight = run.masters()[name], run.named()[name].data
        assert positive_zero(master[~mask]) and positive_zero(weight[~mask])
        assert torch.equal(weight, master.to(weight.dtype))
        changed = master[mask] != before[name][mask]
        assert changed.float().mean() > 0.5
        seen = [g[name] for g in gradients]
        expected = compensated(before[name].double(), mask, seen, shared=score == "kron")
        assert torch.allclose(master.double(), expected, rtol=2e-2, atol=2e-2)
    assert torch.equal(run.masters()["c"], before["c"])


def compensated(weight, mask, gradients, shared):
    """Hassibi and Stork 1993: the surviving weights of each row where the loss is least.

    Args:
        shared: whether rows have one matrix in common, each with its own trace.
    """
    mean_square = torch.stack([g.double().square() for g in gradients]).mean()
    rows = []
    for r, (row, keep) in enumerate(zip(weight, mask)):
        g = torch.stack([gradient[r].double() for gradient in gradients])
        fisher = g.T @ g
        if shared:
            whole = torch.cat(gradients).double()
            fisher = whole.T @ whole * fisher.trace() / whole.square().sum()
        fisher = fisher / len(gradients) / mean_square
        damped = fisher + 0.1 * torch.eye(len(row), dtype=torch.float64)
        new = torch.zeros_like(row)
        wanted = fisher[keep][:, ~keep] @ row[~keep]
        new[keep] = row[keep] + torch.linalg.solve(damped[keep][:, keep], wanted)
        rows.append(new)
    return torch.stack(rows)


@pytest.mark.parametrize("mode", ["memory-efficient fp16", "memory-efficient bf16"])
def test_movement_is_not_summed_over_gradients_of_several_scales(mode):
    run = Run(mode, "pruned_adam", prune_score="movement")
    with pytest.raises(PruneError, match="--prune-score movement with memory-efficient"):
        run.update()
