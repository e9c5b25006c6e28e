"""Texts in packed files: the same bytes come back, once stored, and nothing else changes."""

import random

import pytest
import torch
from forged import content_of, forge, taken_apart, with_content

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.checkpoints.packed.packed_model import PackedModel
from fairseq_prune.packed.container import Container
from fairseq_prune.packed.texts import Text, read_texts
from fairseq_prune.pruning import PruneError

WORDS = Text("dictionary", "a 3\nüber 2\n".encode(), "en")
TEXTS = {
    "source": WORDS,
    "target": Text("dictionary", WORDS.raw, "de"),
    "subword": Text("sentencepiece", bytes(range(256)), "en", {"separator": "@@"}),
    "tokenizer": Text("moses", None, "en", {"no_escape": True}),
}


@pytest.fixture
def with_texts(packed):
    path, state = packed
    torch.save(state, str(path) + ".pt")
    made = pack_checkpoint(str(path) + ".pt", str(path) + ".texts", texts=TEXTS)
    assert made.text_bytes == len(WORDS.raw) + 256
    return path.with_name(path.name + ".texts")


def test_they_come_back(with_texts):
    container = Container(str(with_texts))
    assert read_texts(container) == TEXTS
    stored = {name: said for name, said in container.entries.items() if name.startswith("text:")}
    assert stored == {"text:source": ("U8", (len(WORDS.raw),)), "text:subword": ("U8", (256,))}
    assert read_texts(Container(str(with_texts).replace(".texts", ""))) == {}


def test_who_knows_of_none_reads_the_same(with_texts, packed):
    """The version is that of files without: nothing of them is another's business."""
    path, _ = packed
    one, other = PackedModel(str(path)), PackedModel(str(with_texts))
    a, b = one.state(one.decode()), other.state(other.decode())
    assert a.keys() == b.keys() and a["args"] == b["args"] and a["cfg"] == b["cfg"]
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    a, b = (taken_apart(p)[0]["__metadata__"]["version"] for p in (path, with_texts))
    assert a == b


def test_packing_again_keeps_them(with_texts, tmp_path):
    pack_checkpoint(str(with_texts), str(tmp_path / "again.packed"))
    assert read_texts(Container(str(tmp_path / "again.packed"))) == TEXTS
    pack_checkpoint(str(with_texts), str(tmp_path / "bare.packed"), texts={})
    assert read_texts(Container(str(tmp_path / "bare.packed"))) == {}


def test_another_text_is_noticed_whatever_the_files_own_checksum_says(with_texts):
    header, data = taken_apart(with_texts)
    at = header["text:subword"]["data_offsets"][0] + 7
    forge(with_texts, header, data[:at] + b"\xff" + data[at + 1 :])
    with pytest.raises(PruneError, match="its text subword is another"):
        read_texts(Container(str(with_texts)))


ODD = (None, 7, "", [], {}, "source", "sentencepiece", "0" * 64, {"kind": "moses"}, ["kind"])


@pytest.mark.parametrize("seed", range(60))
def test_forged_descriptions_are_refused_or_read(with_texts, seed):
    rng, (header, data) = random.Random(seed), taken_apart(with_texts)
    content = content_of(header)
    said = content["texts"]
    name = rng.choice([*said, "odd"])
    if rng.random() < 0.4:
        said[name] = rng.choice(ODD)
    elif rng.random() < 0.2:
        content["texts"] = rng.choice(ODD)
    else:
        key = rng.choice(("kind", "language", "sha256", "same_as"))
        said.setdefault(name, {})[key] = rng.choice(ODD)
    forge(with_texts, with_content(header, content), data)
    try:
        texts = read_texts(Container(str(with_texts)))
    except PruneError as error:
        assert str(with_texts) in str(error)
    else:
        assert all(type(text.kind) is str for text in texts.values())
