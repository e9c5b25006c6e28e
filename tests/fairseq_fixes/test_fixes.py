"""How fixes are made: once, where there is what they expect, and kept in by who comes later."""

from types import SimpleNamespace

import pytest
import torch
from fairseq import checkpoint_utils, tasks
from fairseq.trainer import Trainer

from fairseq_prune.fairseq_fixes.fix import Fix, apply_once, find_target
from fairseq_prune.fairseq_fixes.next_task import next_task
from fairseq_prune.fairseq_fixes.reading_state import prepared
from fairseq_prune.fairseq_fixes.table import FIXES, fix_fairseq, fix_pruned_runs


def replaced():
    """What stands at the targets of all fixes now."""
    paths = {target.partition("(")[0] for fix in FIXES for target in fix.targets}
    return {path: find_target(path) for path in paths}


def test_all_are_made_once():
    before = replaced()
    assert None not in before.values()
    fix_fairseq()
    assert replaced() == before
    fix_pruned_runs()
    once = replaced()
    fix_pruned_runs()
    assert replaced() == once


@pytest.mark.parametrize(
    "target",
    [
        "fairseq.gone:thing",
        "fairseq.trainer:Trainer.gone",
        "fairseq.trainer:Trainer.load_checkpoint(filename, gone)",
    ],
)
def test_what_fairseq_lacks_is_named(target):
    made = []
    fix = Fix("unheard of", "a fault", "all", (target,), "", lambda: made.append(1))
    with pytest.raises(SystemExit, match="gone.*for a fault; install fairseq 0.12.2"):
        apply_once(fix)
    assert not made


def test_states_are_prepared(tmp_path, monkeypatch):
    """Also by a function that someone else has replaced meanwhile, which stays in place."""
    path = str(tmp_path / "model.pt")
    extra, history = {"train_iterator": {"epoch": 1}}, [{"lr_scheduler_state": {}}]
    torch.save(
        {
            "model": {"w": torch.ones(1)},
            "cfg": None,
            "optimizer_history": history,
            "extra_state": extra,
        },
        path,
    )
    ours = checkpoint_utils.load_checkpoint_to_cpu

    def theirs(*args, **kwargs):
        return {**ours(*args, **kwargs), "seen": True}

    monkeypatch.setattr(checkpoint_utils, "load_checkpoint_to_cpu", theirs)
    order = []
    with prepared(lambda state: order.append(1)), prepared(lambda state: order.append(2)):
        state = checkpoint_utils.load_checkpoint_to_cpu(path)
    assert state["seen"] and order == [2, 1]  # the innermost first
    assert checkpoint_utils.load_checkpoint_to_cpu is theirs
    checkpoint_utils.load_checkpoint_to_cpu(path)
    assert order == [2, 1]


def test_later_patches_of_the_trainer_survive(monkeypatch):
    calls = []
    monkeypatch.setattr(Trainer, "load_checkpoint", lambda self, *args, **kwargs: calls.append(1))
    fix_fairseq()
    Trainer.load_checkpoint(SimpleNamespace(), "path")
    assert calls == [1]


def test_next_task(monkeypatch):
    """The first that is set up is handed over, not what it sets up itself, nor what follows."""

    class Inner:
        @classmethod
        def setup_task(cls, cfg, **kwargs):
            return cfg

    monkeypatch.setitem(tasks.TASK_REGISTRY, "inner", Inner)
    got = []
    cfg = [SimpleNamespace(task="inner", number=k) for k in range(3)]
    with next_task(got.append):
        for one in cfg[:2]:
            tasks.setup_task(one)
    tasks.setup_task(cfg[2])
    assert got == [cfg[0]]
    with next_task(got.append):
        pass
    tasks.setup_task(cfg[1])
    assert got == [cfg[0]]
