"""How fixes are made: once, where there is what they expect, and kept in by who comes later."""

import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from runpy import run_path
from types import ModuleType, SimpleNamespace

import fairseq
import pytest
import torch
from fairseq import checkpoint_utils, tasks, utils
from fairseq.trainer import Trainer

from fairseq_prune.fairseq_fixes import whole_sets
from fairseq_prune.fairseq_fixes.fix import Fix, apply_once, find_target
from fairseq_prune.fairseq_fixes.next_task import next_task
from fairseq_prune.fairseq_fixes.reading import held, mapped_checkpoints
from fairseq_prune.fairseq_fixes.reading_state import prepared
from fairseq_prune.fairseq_fixes.table import FIXES, fix_fairseq, fix_pruned_runs


def replaced():
    """What stands at the targets of all fixes now."""
    paths = {re.split(r"[({]", target)[0] for fix in FIXES for target in fix.targets}
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
        "fairseq.trainer:Trainer.load_checkpoint(filename){gone}",
        "fairseq.trainer:Trainer{load_checkpoint, gone}",
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


def test_packed_files_are_held_where_someone_replaced_what_reads_them(monkeypatch):
    """Who replaces fairseq's torch has it as they want it; nothing of ours fails for that."""
    monkeypatch.setattr(checkpoint_utils, "torch", torch)
    with held({"model": {}}), mapped_checkpoints():
        pass


def test_iterators_without_a_sampler_train(monkeypatch):
    """Streams have none."""
    stream = SimpleNamespace()
    monkeypatch.setattr(whole_sets, "_in_training", lambda function: lambda *args: stream)
    assert Trainer.get_train_iterator(SimpleNamespace(), 1) is stream


def test_examples_of_fairseqs_that_come_by_user_dir_evaluate_values_only(tmp_path, monkeypatch):
    example, own = ModuleType("an_example"), ModuleType("of_the_user")
    example.__file__ = str(Path(fairseq.__file__).parent / "examples" / "an_example.py")
    own.__file__ = str(tmp_path / "of_the_user.py")
    for module in (example, own):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "__init__.py").touch()
    utils.import_user_module(Namespace(user_dir=str(tmp_path / "nothing")))
    assert not hasattr(own, "eval") and example.eval("[1] * 2") == [1, 1]
    with pytest.raises(SystemExit, match="is no number"):
        example.eval("print(1)")


def test_an_error_is_told_while_batches_are_made():
    failing = run_path(str(Path(__file__).with_name("faults.py")))["FAILING"]
    command = [sys.executable, "-c", f"import fairseq_prune\n{failing}"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (1, "the error")
