"""Models from a command line, without data: a task of two vocabularies is all they need."""

from types import SimpleNamespace

import pytest
from fairseq import options
from fairseq.data import Dictionary
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.models import (
    ARCH_MODEL_NAME_REGISTRY,
    ARCH_MODEL_REGISTRY,
    MODEL_DATACLASS_REGISTRY,
    build_model,
)
from fairseq.tasks.multilingual_translation import MultilingualTranslationTask

import fairseq_prune  # noqa: F401  (registers)


def vocabulary(size):
    words = Dictionary()
    for i in range(size - len(words)):
        words.add_symbol(f"word{i}")
    assert len(words) == size
    return words


def arguments(arch, *flags, task="translation"):
    argv = ["data", "--task", task, "--arch", arch, *flags]
    return options.parse_args_and_arch(options.get_training_parser(), input_args=argv)


def task_of(source, target):
    """One dictionary for both sides where they are of one size."""
    source_words = vocabulary(source)
    target_words = source_words if source == target else vocabulary(target)
    return SimpleNamespace(
        source_dictionary=source_words,
        target_dictionary=target_words,
        dictionary=target_words,
        output_dictionary=target_words,
    )


def multilingual_task(size):
    task = MultilingualTranslationTask.__new__(MultilingualTranslationTask)
    task.langs, task.model_lang_pairs = ["de", "fr", "en"], ["de-en", "fr-en", "de-fr"]
    task.dicts = dict.fromkeys(task.langs, vocabulary(size))
    return task


def model_and_options(arch, *flags, source=12, target=14, task="translation"):
    """The model of ``fairseq-train --task TASK --arch ARCH FLAGS``, and what a checkpoint says of
    its options."""
    args = arguments(arch, *flags, task=task)
    if task == "speech_to_text":  # which reads them in a file beside the data
        args.input_feat_per_channel, args.input_channels = 8, 1
    config = MODEL_DATACLASS_REGISTRY.get(ARCH_MODEL_NAME_REGISTRY[arch])
    # fairseq composes the whole hydra config at this point, which takes a second
    cfg = config.from_namespace(args) if config else args
    options = dict(vars(cfg))  # before building adds to them
    many = task == "multilingual_translation"
    words = multilingual_task(target) if many else task_of(source, target)
    return ARCH_MODEL_REGISTRY[arch].build_model(cfg, words), options


def model_from(*args, **kwargs):
    return model_and_options(*args, **kwargs)[0]


def model_by_hydra(arch, *flags, source, target):
    """The same, as slow as ``fairseq-train`` does it."""
    cfg = convert_namespace_to_omegaconf(arguments(arch, *flags))
    return build_model(cfg.model, task_of(source, target))


@pytest.fixture(scope="session")
def build():
    return model_from


@pytest.fixture(scope="session")
def build_with_options():
    return model_and_options


@pytest.fixture(scope="session")
def build_by_hydra():
    return model_by_hydra
