"""Text of the demo's corpus, its dictionaries, and what cuts it into pieces."""

from argparse import Namespace

import pytest
import torch
from commands import REPO, python
from fairseq.data import Dictionary

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.packed.container import Container
from fairseq_prune.packed.texts import Text


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    python(REPO / "scripts" / "make_demo_corpus.py", "--out", folder, "--train", "400")
    return folder


@pytest.fixture(scope="session")
def pieces(corpus):
    """The path of a sentencepiece model of the English side."""
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus / "train.en"), model_prefix=str(corpus / "spm"), vocab_size=120,
        model_type="bpe", normalization_rule_name="identity", minloglevel=2,
    )  # fmt: skip
    return corpus / "spm.model"


@pytest.fixture(scope="session")
def dictionary_of(corpus):
    def make(language, encode, save_as):
        """fairseq's dictionary of the corpus, of words or of what ``encode`` makes of lines."""
        dictionary = Dictionary()
        for line in (corpus / f"train.{language}").read_text(encoding="utf-8").splitlines():
            dictionary.encode_line(encode(line))
        dictionary.finalize(padding_factor=8)
        dictionary.save(str(save_as))
        return Dictionary.load(str(save_as))

    return make


@pytest.fixture
def packed_with(tmp_path):
    def make(**texts):
        """A packed file that is opened, with these texts."""
        args = Namespace(arch="lstm", task="translation")
        torch.save({"model": {"w": torch.ones(2, 3)}, "args": args}, str(tmp_path / "model.pt"))
        texts = {
            name: text if isinstance(text, Text) else Text(*text) for name, text in texts.items()
        }
        pack_checkpoint(str(tmp_path / "model.pt"), str(tmp_path / "model.packed"), texts=texts)
        return Container(str(tmp_path / "model.packed"))

    return make
