"""Dictionaries read and written as fairseq reads and writes them."""

import pytest
from fairseq.data import Dictionary as Fairseqs

from fairseq_prune.packed.dictionary import Dictionary, dictionary_text
from fairseq_prune.pruning import PruneError

TEXTS = [
    "", "a 3\nb 2\n", "a 3\nb 2\na 1 #fairseq:overwrite\n<unk> 4 #fairseq:overwrite\n",
    "two words 3\n\u2581 9\n\x85 1\n\u2028x 7\n", "a 3 \nb 2\t\n", "a -3\nmadeupword0000 0\n",
    "über 1\n日本 1\n# 5\n",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_as_fairseq_reads_it(text, tmp_path):
    path = tmp_path / "dict.txt"
    path.write_text(text, encoding="utf-8")
    expected, found = Fairseqs.load(str(path)), Dictionary(path.read_bytes())
    assert found.symbols == expected.symbols
    assert {word: found.index(word) for word in expected.indices} == expected.indices
    for word in ("a", "<unk>", "</s>", "two words", "nowhere"):
        assert found.index(word) == expected.index(word)
    assert [found.symbol(n) for n in range(12)] == [expected[n] for n in range(12)]
    again = Dictionary(dictionary_text(expected.symbols, expected.count))
    assert again.symbols == expected.symbols
    assert {word: again.index(word) for word in expected.indices} == expected.indices


def test_words_with_the_same_checksum():
    """crc32 of "plumless" is that of "buckeroo"."""
    found = Dictionary(b"plumless 3\na 1\nbuckeroo 2\nbuckeroo 1 #fairseq:overwrite\n")
    assert [found.index(w) for w in ("plumless", "a", "buckeroo", "b")] == [4, 5, 7, 3]


def test_what_is_stored_is_the_file(tmp_path):
    dictionary = Fairseqs()
    for word in "the house the über 日本 \u2581x the house".split():
        dictionary.add_symbol(word)
    dictionary.finalize(padding_factor=8)
    dictionary.save(str(tmp_path / "dict.txt"))
    text = dictionary_text(dictionary.symbols, dictionary.count)
    assert text == (tmp_path / "dict.txt").read_bytes() and b"madeupword" in text


def test_symbols_of_a_task_are_words_like_others():
    dictionary = Fairseqs(extra_special_symbols=["<mask>"])
    dictionary.add_symbol("a")
    dictionary.add_symbol("[en]")
    found = Dictionary(dictionary_text(dictionary.symbols, dictionary.count))
    assert found.symbols == dictionary.symbols


@pytest.mark.parametrize("text", ["a\n", "a b\n", "a 1\na 1\n", "\n", "a 1\n\nb 1\n"])
def test_what_fairseq_does_not_read(text, tmp_path):
    path = tmp_path / "dict.txt"
    path.write_text(text)
    with pytest.raises((RuntimeError, ValueError)):
        Fairseqs.load(str(path))
    with pytest.raises(PruneError, match="none of fairseq's"):
        Dictionary(path.read_bytes())


@pytest.mark.parametrize("dictionary", [Fairseqs(unk="[UNK]"), Fairseqs(), Fairseqs()])
@pytest.mark.parametrize("word", ["a\nb", "\ud800"])
def test_what_no_file_holds(dictionary, word):
    if dictionary.unk_word == "<unk>":
        dictionary.add_symbol(word)
    with pytest.raises(PruneError, match="that no dict.txt can hold"):
        dictionary_text(dictionary.symbols, dictionary.count)
