"""What a packed file says of its model, without torch and fairseq."""

from argparse import Namespace
from collections import OrderedDict

import pytest
import torch
from forged import content_of, forge, taken_apart, with_content

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.packed.container import Container
from fairseq_prune.packed.settings import read_settings
from fairseq_prune.pruning import PruneError

OPTIONS = {
    "_name": "lstm",
    "dropout": 0.1,
    "layers": 2,
    "tied": False,
    "path": None,
    "dims": [1, 2],
}
TASK = {"_name": "translation", "source_lang": "en", "target_lang": "de"}


@pytest.fixture
def settings_of(tmp_path):
    def read(**state):
        torch.save({"model": {"w": torch.ones(2, 3)}, **state}, str(tmp_path / "model.pt"))
        pack_checkpoint(str(tmp_path / "model.pt"), str(tmp_path / "model.packed"))
        return read_settings(Container(str(tmp_path / "model.packed")))

    return read


@pytest.mark.parametrize("model", [OPTIONS, Namespace(**OPTIONS), OrderedDict(OPTIONS)])
def test_of_a_cfg(model, settings_of):
    found = settings_of(cfg={"model": model, "task": TASK}, args=None)
    assert found.model == OPTIONS and found.task == TASK
    assert (found.arch, found.task_name) == ("lstm", "translation")
    assert (found.source_language, found.target_language) == ("en", "de")


def test_of_old_args(settings_of):
    args = Namespace(arch="lstm_wiseman", task="translation", source_lang="en", dropout=0.5)
    found = settings_of(args=args)
    assert found.model == vars(args) == found.task
    assert (found.arch, found.task_name) == ("lstm_wiseman", "translation")
    assert (found.source_language, found.target_language) == ("en", None)


def test_what_is_not_plain_is_left_out(settings_of):
    odd = {"a": (1, 2), "b": float("inf"), "c": torch.ones(2), "d": "${task.data}", "e": [{1, 2}]}
    odd["f"] = {"g": 1, "h": {3}}
    found = settings_of(cfg={"model": {**OPTIONS, **odd}, "task": {"_name": 7}})
    assert found.model == {**OPTIONS, "f": {"g": 1}} and found.task_name is None


def test_a_model_that_does_not_say_what_it_is(settings_of):
    for state in ({}, {"args": None}, {"cfg": {"model": None, "task": {}}}):
        with pytest.raises(PruneError, match="does not say what it is the model of"):
            settings_of(**state)


@pytest.mark.parametrize("state", [
    7, [], {"cfg": {"!": "namespace"}}, {"cfg": {"!": []}}, {"cfg": {"!": "namespace", "is": 7}},
])  # fmt: skip
def test_forged(state, settings_of, tmp_path):
    settings_of(args=Namespace(arch="lstm"))
    path = tmp_path / "model.packed"
    header, data = taken_apart(path)
    forge(path, with_content(header, {**content_of(header), "state": state}), data)
    with pytest.raises(PruneError, match=str(path)):
        read_settings(Container(str(path)))
