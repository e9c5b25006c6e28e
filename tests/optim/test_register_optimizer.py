from dataclasses import dataclass, field
from typing import List

import pytest
import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.optim import (
    OPTIMIZER_DATACLASS_REGISTRY,
    OPTIMIZER_REGISTRY,
    FairseqOptimizer,
    register_optimizer,
)

from fairseq_prune.optim import register_pruned_optimizer
from fairseq_prune.optim.pruned_optimizer import Held
from fairseq_prune.pruning import PruneError


@pytest.fixture
def own_optimizer():
    """Registered as a user's --user-dir would, and forgotten after the test."""

    @dataclass
    class OwnConfig(FairseqDataclass):
        lr: List[float] = field(default_factory=lambda: [0.1])
        strength: float = 0.5

    @register_optimizer("own_for_test", dataclass=OwnConfig)
    class Own(FairseqOptimizer):
        def __init__(self, cfg, params):
            super().__init__(cfg)
            self._optimizer = torch.optim.RMSprop(params, lr=cfg.lr[0], momentum=cfg.strength)

    yield OwnConfig
    for name in ("own_for_test", "pruned_own_for_test"):
        OPTIMIZER_REGISTRY.pop(name, None)
        OPTIMIZER_DATACLASS_REGISTRY.pop(name, None)


def test_an_optimizer_of_ones_own_gets_a_twin(own_optimizer):
    cls = register_pruned_optimizer("own_for_test")
    assert OPTIMIZER_REGISTRY["pruned_own_for_test"] is cls
    assert OPTIMIZER_DATACLASS_REGISTRY["pruned_own_for_test"] is own_optimizer
    param = torch.nn.Parameter(torch.ones(4))
    pruned = torch.tensor([True, False, True, False])
    optimizer = cls(own_optimizer(), [param])
    for k in range(3):
        if k == 1:
            optimizer.hold({}, [Held.place(param, 0, ~pruned)])
        param.grad = torch.ones(4)
        optimizer.clip_grad_norm(0.0)
        optimizer.step()
    assert (param == 0).tolist() == pruned.tolist()


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(PruneError, match="sdg"):
        register_pruned_optimizer("sdg")


def test_composite_is_refused_with_the_remedy():
    with pytest.raises(PruneError, match="composite.*take a single one"):
        register_pruned_optimizer("composite")
