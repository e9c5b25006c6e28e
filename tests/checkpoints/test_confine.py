"""What the configuration of a file may name: nothing outside of it."""

import argparse
import re
from argparse import Namespace

import pytest
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models import MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY
from fairseq.registry import REGISTRIES
from fairseq.tasks import TASK_DATACLASS_REGISTRY, TASK_REGISTRY

import fairseq_prune  # noqa: F401
from fairseq_prune.fairseq_fixes.confine import confine
from fairseq_prune.fairseq_fixes.encoders import leave_out_encoders
from fairseq_prune.pruning import PruneError

OF_A_MODEL = {
    "_name": "transformer", "arch": "transformer", "encoder_layers": "[(512 // 2, 3)] * 2",
    "dropout": 0.1, "left_pad_source": "True", "kernel": "3/2", "decoder": {"layers": 2},
}  # fmt: skip


def confined(**sections):
    state = {"cfg": sections}
    confine("model.pt", state)
    return state["cfg"]


def test_what_names_nothing_stays():
    task = {"_name": "translation", "data": "/corpus/data-bin:/more", "source_lang": "en"}
    common = {"user_dir": "/home/me/plugin"}  # nothing is built by it
    sections = {"model": dict(OF_A_MODEL), "task": dict(task), "common": dict(common)}
    assert confined(**sections) == {"model": OF_A_MODEL, "task": task, "common": common}
    flat = Namespace(**OF_A_MODEL)
    assert confined(model=flat) == {"model": Namespace(**OF_A_MODEL)}


@pytest.mark.parametrize(
    "option, text",
    [("encoder_embed_path", "vectors.txt"), ("source_lang", "../../other/x"), ("new", "/etc/hosts"),
     ("new", "http://host/file"), ("new", "a/b.txt"), ("data", "s3://bucket/data"),
     ("new", "${common.user_dir}"), ("new", "${common.log_file}"), ("new", ["ok", "/no"]),
     ("new", "{'mined': '/corpus'}"), ("lang_dict", "langs"), ("post_save_script", "rm")],
)  # fmt: skip
def test_what_names_something_goes(option, text):
    common = {"user_dir": "/home/me", "log_file": "${common.user_dir}"}
    found = confined(model={**OF_A_MODEL, option: text}, common=common)
    assert found["model"] == {**OF_A_MODEL, option: None}
    nested = confined(model={**OF_A_MODEL, "encoder": {option: text}}, common=common)
    assert nested["model"] == {**OF_A_MODEL, "encoder": {option: None}}
    flat = confined(task=Namespace(**OF_A_MODEL, **{option: text}), common=common)["task"]
    assert flat == Namespace(**OF_A_MODEL, **{option: None})
    state = {"args": Namespace(**OF_A_MODEL, **{option: text}, **common)}
    confine("model.pt", state)
    assert state["args"] == Namespace(**OF_A_MODEL, **common)


@pytest.mark.parametrize(
    "text", ["${oc.env:HOME}", "${env:HOME}", "x${now:%Y}", "x${common.seed}", "${a:${b}}", "${"]
)
def test_what_omegaconf_would_look_up_elsewhere(text):
    for state in (
        {"cfg": {"model": {"new": text}}}, {"cfg": {"common": {"new": ["x", text]}}},
        {"cfg": {"model": Namespace(new=text)}}, {"args": Namespace(new=text)},
    ):  # fmt: skip
        with pytest.raises(PruneError, match=r"model\.pt sets its option .*new to"):
            confine("model.pt", state)


def options_of(registered, dataclasses):
    """(option, help) of all that take text."""
    for name, cls in registered.items():
        parser = argparse.ArgumentParser(allow_abbrev=False, conflict_handler="resolve")
        options = dataclasses.get(name)
        if options is not None:
            gen_parser_from_dataclass(parser, options() if isinstance(options, type) else options)
        elif hasattr(cls, "add_args"):
            cls.add_args(parser)
        for action in parser._actions:
            if action.type not in (int, float) and action.nargs != 0 and not action.choices:
                yield action.dest, action.help or ""


#: What their help says is a file, or so it sounds: below the folder of data, or a text.
NO_FILES = {"channels", "config_yaml", "multitask_config_yaml", "data", "labels", "langs"}


def test_options_whose_help_speaks_of_files():
    """Even where no slash shows that they name one."""
    registries = [
        (MODEL_REGISTRY, MODEL_DATACLASS_REGISTRY), (TASK_REGISTRY, TASK_DATACLASS_REGISTRY),
        (REGISTRIES["bpe"]["registry"], REGISTRIES["bpe"]["dataclass_registry"]),
    ]  # fmt: skip
    known = {option: text for pair in registries for option, text in options_of(*pair)}
    speaks = re.compile(r"\b(path|file|checkpoint|directory|folder|location)\b", re.IGNORECASE)
    files = {option for option, text in known.items() if speaks.search(text)} - NO_FILES
    files -= {option for option in files if option.startswith("prune_")}
    assert {"encoder_embed_path", "sentencepiece_model", "lang_dict", "bpe_codes"} <= files
    assert confined(model={option: "bare" for option in files})["model"] == dict.fromkeys(files)


def test_encoders_that_need_files(caplog):
    for kind in ("bpe", "tokenizer"):
        for name in REGISTRIES[kind]["registry"]:
            harmless = name in ("bytes", "characters", "moses", "nltk", "space")
            section, cfg = {"_name": name, "bpe_codes": "???"}, {}
            for given, stays in (({}, harmless), ({"bpe_codes": "x"}, True), ({kind: name}, True)):
                caplog.clear()
                cfg[kind] = dict(section)
                leave_out_encoders("model.packed", cfg, given)
                assert cfg[kind] == (section if stays else None)
                assert stays or f"model.packed: its {kind}, {name}, is left out" in caplog.text
