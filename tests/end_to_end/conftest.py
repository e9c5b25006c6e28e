"""A small parallel corpus, a dense model, and one retrained from it."""

import pytest
from commands import RETRAIN, make_corpus, run, train
from language_models import LM


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder)
    run(
        "fairseq-preprocess", "--source-lang", "en", "--target-lang", "de",
        "--trainpref", folder / "train", "--validpref", folder / "valid",
        "--testpref", folder / "test", "--destdir", folder / "data",
    )  # fmt: skip
    return folder / "data"


@pytest.fixture(scope="session")
def text(data, tmp_path_factory):
    """The English side of the corpus, as a language model's."""
    folder = tmp_path_factory.mktemp("text")
    source = data.parent
    run(
        "fairseq-preprocess", "--only-source", "--destdir", folder,
        *(x for s in ("train", "valid", "test") for x in (f"--{s}pref", source / f"{s}.en")),
    )  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def language_model(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lm")
    train(text, folder, "--max-update", "20", base=LM)
    return folder / "checkpoint_best.pt"


@pytest.fixture(scope="session")
def dense(data, tmp_path_factory):
    """A dense checkpoint, trained with stock task and optimizer."""
    folder = tmp_path_factory.mktemp("dense")
    train(
        data, folder, "--task", "translation", "--optimizer", "sgd", "--lr", "0.5",
        "--max-update", "20",
    )  # fmt: skip
    return folder / "checkpoint_best.pt"


@pytest.fixture(scope="session")
def retrained(data, dense, tmp_path_factory):
    """The dense model pruned to 80% and retrained for 12 updates, and what was logged."""
    folder = tmp_path_factory.mktemp("retrained")
    output = train(data, folder, *RETRAIN, "--finetune-from-model", dense, "--max-update", "12")
    return folder, output
