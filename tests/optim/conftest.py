"""Optimizers as fairseq builds them, and a few weights to run them on."""

from argparse import ArgumentParser

import pytest
import torch
from fairseq.optim import OPTIMIZER_DATACLASS_REGISTRY, OPTIMIZER_REGISTRY, build_optimizer
from omegaconf import OmegaConf
from one_thread import one_thread  # noqa: F401  (a fixture)

import fairseq_prune  # noqa: F401  (registers)
from fairseq_prune.optim.pruned_optimizer import Held

FLAGS = {
    "sgd": ["--momentum", "0.9", "--weight-decay", "0.01"],
    "nag": ["--momentum", "0.9", "--weight-decay", "0.01"],
    "adam": ["--weight-decay", "0.1"],
    "adamax": ["--weight-decay", "0.1"],
    "adagrad": ["--weight-decay", "0.1"],
    "adadelta": ["--weight-decay", "0.1"],
    "adafactor": ["--beta1", "0.9", "--weight-decay", "0.1"],
}
SHAPES = ((4, 6), (3, 5), (7,))
RECORD = {"version": 1, "scheme": "class-blind", "sparsity": 0.5, "masks": {"w": "bits"}}


def from_flags(name, params, flags):
    """By way of a hydra config if the optimizer has one."""
    parser = ArgumentParser(allow_abbrev=False)
    OPTIMIZER_REGISTRY[name].add_args(parser)
    args, unknown = parser.parse_known_args(flags)
    assert not unknown
    args.optimizer, args.lr = name, [0.1]
    if name in OPTIMIZER_DATACLASS_REGISTRY:
        config = OPTIMIZER_DATACLASS_REGISTRY[name]
        args.tpu = False  # a field of some
        known = {k: v for k, v in vars(args).items() if k in config.__dataclass_fields__}
        args = OmegaConf.structured(config(**known))
        args._name = name
    return build_optimizer(args, params)


class Run:
    """Three parameters under an optimizer. Half of the first two is, or will be, pruned;
    the third is no weight."""

    def __init__(self, name, flags=None):
        torch.manual_seed(0)
        self.params = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
        # True = pruned
        self.pruned = [torch.rand(shape) < 0.5 for shape in SHAPES[:2]]
        if flags is None:
            flags = FLAGS.get(name.replace("pruned_", ""), [])
        self.optimizer = from_flags(name, self.params, flags)

    def hold(self):
        self.optimizer.hold(
            RECORD, [Held.place(p, 0, ~gone) for p, gone in zip(self.params, self.pruned)]
        )

    def state(self):
        """(value, pruned) of all that the optimizer remembers of each single weight."""
        for param, gone in zip(self.params, self.pruned):
            for value in self.optimizer.optimizer.state[param].values():
                if torch.is_tensor(value) and value.shape == param.shape:
                    yield value, gone

    def zero_by_hand(self):
        for param, gone in zip(self.params, self.pruned):
            param.data[gone] = 0.0
        for value, gone in self.state():
            value[gone] = 0.0

    def set_gradients(self, seed, at_pruned=None):
        torch.manual_seed(seed)
        for param in self.params:
            param.grad = torch.randn(param.shape)
        for param, gone in zip(self.params, self.pruned):
            if at_pruned is not None:
                param.grad[gone] = at_pruned

    def step(self, seed, at_pruned=None):
        """One clipped update with random gradients; returns their norm."""
        self.set_gradients(seed, at_pruned)
        norm = self.optimizer.clip_grad_norm(0.5)
        self.optimizer.step()
        return float(norm)

    def is_clean(self):
        """+0.0 at every pruned place."""
        at = [param[gone] for param, gone in zip(self.params, self.pruned)]
        return all((w == 0).all() and not torch.signbit(w).any() for w in at)

    def equals(self, other):
        return all(torch.equal(a, b) for a, b in zip(self.params, other.params))


@pytest.fixture(scope="session")
def start():
    """name -> Run"""
    return Run


@pytest.fixture(scope="session")
def build():
    return from_flags


@pytest.fixture(params=FLAGS)
def name(request):
    """The name of each fairseq optimizer that works without CUDA."""
    return request.param
