"""Options that may be given several times, by every way that options come."""

from types import SimpleNamespace

import pytest
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.tasks import TASK_DATACLASS_REGISTRY
from omegaconf import OmegaConf

import fairseq_prune  # noqa: F401  (registers)
from fairseq_prune.pruning import PruneError
from fairseq_prune.tasks.asked import pattern


def parsed(*words, task="pruned_translation"):
    words = ["data", "--task", task, "--arch", "lstm", *words]
    return options.parse_args_and_arch(options.get_training_parser(), input_args=words)


@pytest.mark.parametrize("task", ["pruned_translation", "pruned_multilingual_translation"])
def test_flags_add_up(task):
    """Of tasks with a dataclass, and of those with arguments."""
    args = parsed("--prune-exclude", "embedding", "--prune-exclude=^softmax:", task=task)
    assert (args.prune_exclude, args.prune_include) == ("embedding|^softmax:", None)
    given = ["--prune-include", "a", "--prune-include", "b", "--prune-include", r"c\.d$"]
    assert parsed(*given, task=task).prune_include == r"a|b|c\.d$"


def test_they_reach_the_task_as_they_were_given():
    args = parsed("--prune-exclude", r"fc2\.weight$", "--prune-exclude", "it's (one|two) [^:]+: x")
    cfg = convert_namespace_to_omegaconf(args)
    assert cfg.task.prune_exclude == r"fc2\.weight$|it's (one|two) [^:]+: x"
    assert cfg.task.prune_include is None


@pytest.mark.parametrize("given", [["(", "b"], ["b", "("], ["(?i)a", "b"]])
def test_what_cannot_be_joined_is_refused_before_anything_is_loaded(given):
    words = [word for one in given for word in ("--prune-exclude", one)]
    with pytest.raises(SystemExit, match="^fairseq_prune: error: --prune-exclude '.*"):
        parsed(*words)


@pytest.mark.parametrize(
    "given, expected", [(["a", "b:"], "a|b:"), ("a", "a"), ([], None), (None, None)]
)
def test_a_list_in_yaml(given, expected):
    cfg = TASK_DATACLASS_REGISTRY["pruned_translation"]()
    cfg = OmegaConf.merge(OmegaConf.structured(cfg), {"prune_exclude": given})
    assert pattern(cfg, "prune_exclude") == expected


def test_a_list_in_yaml_that_cannot_be_one():
    with pytest.raises(PruneError, match="--prune-include .* cannot be joined"):
        pattern(SimpleNamespace(prune_include=["a", "(?i)b"]), "prune_include")
