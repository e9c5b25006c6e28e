"""``fairseq-prune options`` lists what fairseq's commands take; ``--version``."""

import re

from commands import run

import fairseq_prune


def test_all_that_the_pruned_task_takes_are_listed():
    from fairseq.criterions import CRITERION_DATACLASS_REGISTRY
    from fairseq.tasks import TASK_DATACLASS_REGISTRY

    listed = set(re.findall(r"^  (--[a-z-]+)$", run("fairseq-prune", "options"), re.M))
    for pruned, stock in (
        (TASK_DATACLASS_REGISTRY["pruned_translation"], TASK_DATACLASS_REGISTRY["translation"]),
        (
            CRITERION_DATACLASS_REGISTRY["distillation"],
            CRITERION_DATACLASS_REGISTRY["label_smoothed_cross_entropy"],
        ),
    ):
        added = {
            name
            for name, option in pruned.__dataclass_fields__.items()
            if name not in stock.__dataclass_fields__ and "help" in option.metadata
        }
        assert added, pruned
        assert {f"--{name.replace('_', '-')}" for name in added} <= listed


def test_version():
    assert run("fairseq-prune", "--version").strip().endswith(fairseq_prune.__version__)
