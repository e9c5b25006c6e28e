"""A small parallel corpus, a dense model, and one retrained from it; a corpus in pieces of words,
with a model that is packed with what cuts them."""

import pytest
from commands import REPO, RETRAIN, make_corpus, python, run, train
from language_models import LM
from translating import ODD


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


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The demo's corpus in pieces of words, preprocessed; a sentencepiece model of both sides."""
    import sentencepiece

    folder = tmp_path_factory.mktemp("demo")
    python(REPO / "scripts" / "make_demo_corpus.py", "--out", folder, "--train", "300")
    sentencepiece.SentencePieceTrainer.train(
        input=f"{folder}/train.en,{folder}/train.de", model_prefix=f"{folder}/spm",
        vocab_size=150, model_type="bpe", minloglevel=2,
    )  # fmt: skip
    spm = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/spm.model")
    for split in ("train", "valid"):
        for language in ("en", "de"):
            text = (folder / f"{split}.{language}").read_text(encoding="utf-8").splitlines()
            cut = "".join(" ".join(spm.encode(t, out_type=str)) + "\n" for t in text[:300])
            (folder / f"{split}.cut.{language}").write_text(cut, encoding="utf-8")
    run(
        "fairseq-preprocess", "--source-lang", "en", "--target-lang", "de", "--trainpref",
        folder / "train.cut", "--validpref", folder / "valid.cut", "--destdir", folder / "data",
        "--joined-dictionary",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def model(corpus):
    """A model that was trained for a moment, and the same packed with its texts."""
    train(
        corpus / "data", corpus / "run", "--task", "translation", "--optimizer", "adam",
        "--lr", "0.01", "--max-update", "30",
    )  # fmt: skip
    path = corpus / "run" / "checkpoint_last.pt"
    run("fairseq-prune", "pack", path, corpus / "model.packed", "--data", corpus / "data",
        "--bpe", "sentencepiece", "--bpe-codes", corpus / "spm.model")  # fmt: skip
    return path, corpus / "model.packed"


@pytest.fixture(scope="module")
def source(corpus):
    found = (corpus / "test.en").read_text(encoding="utf-8").splitlines()[:25]
    # words that the dictionary has not
    return [*found, *(f"{line} ω" for line in found[:5]), *ODD]
