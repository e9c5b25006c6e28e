"""Text in, numbers out and back, held against fairseq's own encoders and dictionaries."""

import copy
import random
import sys
from argparse import Namespace

import pytest
import torch
from fairseq import utils
from fairseq.data.encoders.moses_tokenizer import MosesTokenizer, MosesTokenizerConfig
from fairseq.data.encoders.sentencepiece_bpe import SentencepieceBPE
from fairseq.data.encoders.subword_nmt_bpe import SubwordNMTBPE
from fairseq.tasks import FairseqTask

from fairseq_prune.engine.encoders import REMOVE_BPE
from fairseq_prune.engine.text import Texts
from fairseq_prune.packed.texts import Text
from fairseq_prune.pruning import PruneError

ODD = (
    "", " ", "\t", "Anna  says\tthat   Ben\xa0bought\u3000it. ", "  leading", "\x1f\u2028x\x85y",
    "日本語 ünïcödé 😀 e\u0301", "\u2581 already \u2581cut @@ pie@@ ces", "<unk> <s> </s> <pad>",
    "\ufeffBOM zero\u200bwidth\x00nul", "w" * 300, "it's 5-10 \"quoted\" &amp; <tag>",
)  # fmt: skip
CODES = b"#version: 0.2\nt h\ne n\nth e</w>\nb o\n"


def sentencepiece_of(path):
    return SentencepieceBPE(
        Namespace(
            sentencepiece_model=str(path), sentencepiece_enable_sampling=False,
            sentencepiece_alpha=None,
        )
    )  # fmt: skip


class Interactive:
    """What ``fairseq_cli.interactive`` does with text, in its own words."""

    def __init__(self, source, target, tokenizer=None, bpe=None):
        self.source_dictionary, self.target = source, target
        self.tokenizer, self.bpe = tokenizer, bpe

    def encode_fn(self, x):
        if self.tokenizer is not None:
            x = self.tokenizer.encode(x)
        if self.bpe is not None:
            x = self.bpe.encode(x)
        return x

    def decode_fn(self, x):
        if self.bpe is not None:
            x = self.bpe.decode(x)
        if self.tokenizer is not None:
            x = self.tokenizer.decode(x)
        return x

    def encode(self, line):
        lines = [line.strip()]  # buffered_read
        return FairseqTask.get_interactive_tokens_and_lengths(self, lines, self.encode_fn)[0][0]

    def decode(self, numbers, remove_bpe=None):
        target = copy.deepcopy(self.target)  # fairseq adds words to it
        _, line, _ = utils.post_process_prediction(
            torch.tensor(numbers, dtype=torch.int32), "", None, None, target, remove_bpe,
            {target.eos()},
        )  # fmt: skip
        return self.decode_fn(line)


def check(texts, fairseq, corpus, remove_bpe=None):
    found = (corpus / "test.en").read_text(encoding="utf-8").split("\n")[:100]
    unknown = 0
    for line in (*ODD, *found):
        numbers = texts.encode(line)
        assert numbers == fairseq.encode(line).tolist(), line
        assert texts.decode(numbers, remove_bpe) == fairseq.decode(numbers, remove_bpe), line
        unknown += numbers.count(3)
    assert unknown
    rng, size = random.Random(0), len(fairseq.target) + 3
    for _ in range(100):
        numbers = [rng.randrange(size) for _ in range(rng.randrange(12))]
        assert texts.decode(numbers, remove_bpe) == fairseq.decode(numbers, remove_bpe), numbers
    assert texts.symbols == fairseq.target.symbols


@pytest.fixture
def both(corpus, dictionary_of, packed_with, tmp_path):
    """The same dictionaries and encoders, as the engine has them and as fairseq has them."""

    def make(encoders=(None, None), **texts):
        made = Interactive(None, None, *encoders)
        sides = {}
        for side, language in (("source", "en"), ("target", "de")):
            path = tmp_path / f"dict.{language}.txt"
            sides[side] = dictionary_of(language, made.encode_fn, path)
            texts[side] = Text("dictionary", path.read_bytes(), language)
        return Texts(packed_with(**texts)), Interactive(*sides.values(), *encoders)

    return make


@pytest.mark.parametrize("remove_bpe", [None, *REMOVE_BPE])
def test_words(both, corpus, remove_bpe):
    check(*both(), corpus, remove_bpe)


def test_sentencepieces(both, corpus, pieces):
    subword = ("sentencepiece", pieces.read_bytes())
    texts, fairseq = both((None, sentencepiece_of(pieces)), subword=subword)
    check(texts, fairseq, corpus)
    assert texts.split("the  house ") == fairseq.encode_fn("the  house").split()
    assert texts.decode(fairseq.encode("Anna bought the house")) != "Anna bought the house"


def test_pieces_are_joined_once(both, pieces):
    """By --remove-bpe as in the H lines of fairseq; it then has no D lines that can be read."""
    subword = ("sentencepiece", pieces.read_bytes())
    texts, fairseq = both((None, sentencepiece_of(pieces)), subword=subword)
    numbers = [5, 4, 3, 9, 2]
    line = fairseq.target.string(torch.tensor(numbers), "sentencepiece")
    assert texts.decode(numbers, "sentencepiece") == line


def test_subword_nmt_after_moses(both, corpus, tmp_path):
    pytest.importorskip("subword_nmt")
    pytest.importorskip("sacremoses")
    (tmp_path / "codes").write_bytes(CODES)
    tokenizer = MosesTokenizer(
        MosesTokenizerConfig(source_lang="en", target_lang="de", moses_no_escape=True)
    )
    texts, fairseq = both(
        (
            tokenizer,
            SubwordNMTBPE(Namespace(bpe_codes=str(tmp_path / "codes"), bpe_separator="@@")),
        ),
        subword=("subword_nmt", CODES),
        tokenizer=("moses", None, "en", {"target_language": "de", "no_escape": True}),
    )
    check(texts, fairseq, corpus)


def why(container):
    with pytest.raises(PruneError) as error:
        Texts(container)
    assert container.path in str(error.value)
    return str(error.value)


DICTIONARY = Text("dictionary", b"a 3\nb 2\n")
TWO = {"source": DICTIONARY, "target": DICTIONARY}


@pytest.mark.parametrize("package, kind, raw", [
    ("sentencepiece", "sentencepiece", b"x"), ("subword_nmt", "subword_nmt", CODES),
    ("sacremoses", "moses", None),
])  # fmt: skip
def test_a_package_that_is_not_there(package, kind, raw, packed_with, monkeypatch):
    for name in (package, "subword_nmt.apply_bpe"):
        monkeypatch.setitem(sys.modules, name, None)
    name = "tokenizer" if kind == "moses" else "subword"
    said = why(packed_with(**TWO, **{name: (kind, raw)}))
    assert f"for which {package.replace('_', '-')} is not installed: pip install" in said


@pytest.mark.parametrize("texts, said", [
    ({}, "was packed without its dictionaries; pack it again with --data DIR"),
    ({"source": DICTIONARY}, "was packed without its dictionaries"),
    ({**TWO, "shortlist": ("odd", b"")}, "has shortlist, which this version does not know"),
    ({**TWO, "subword": ("odd", b"")}, "cuts its texts by odd"),
    ({**TWO, "subword": ("sentencepiece", b"")}, "holds no sentencepiece model"),
    ({**TWO, "subword": ("sentencepiece", b"none\xff" * 9)}, "holds no sentencepiece model"),
    ({**TWO, "subword": ("subword_nmt", b"three words here\n")}, "holds no BPE codes"),
    ({**TWO, "subword": ("subword_nmt", b"\xff")}, "holds no BPE codes"),
    ({**TWO, "target": ("dictionary", b"a\n")}, "none of fairseq's"),
    ({**TWO, "target": ("dictionary", b"a 3\na 2\n")}, "none of fairseq's"),
    ({**TWO, "target": ("dictionary", b"\xff 3\n")}, "none of fairseq's"),
])  # fmt: skip
def test_texts_that_will_not_do(texts, said, packed_with):
    assert said in why(packed_with(**texts))
