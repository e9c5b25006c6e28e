"""``pack --shortlist`` and ``translate --shortlist``, through the real commands."""

import numpy as np
import pytest
from commands import run
from translating import translate

import fairseq_prune.engine
from fairseq_prune.engine.library import find_library

pytestmark = pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")


def alignments(corpus, path):
    """Of each pair of sentences, every word to the one in its place, as far as there are any."""
    sides = [
        (corpus / f"train.cut.{language}").read_text(encoding="utf-8").splitlines()
        for language in ("en", "de")
    ]
    lengths = [min(len(s.split()), len(t.split())) for s, t in zip(*sides)]
    path.write_text("".join(" ".join(f"{k}-{k}" for k in range(n)) + "\n" for n in lengths))
    return path


def test_a_shortlist(corpus, model, source, tmp_path):
    path, without = model
    given = alignments(corpus, tmp_path / "links")
    run("fairseq-prune", "pack", path, tmp_path / "packed", "--data", corpus / "data", "--bpe",
        "sentencepiece", "--bpe-codes", corpus / "spm.model", "--shortlist", "3",
        "--shortlist-frequent", "5", "--alignments", given)  # fmt: skip
    text = ("\n".join(source) + "\n").encode()
    all_words, _ = translate(tmp_path / "packed", stdin=text)
    assert all_words == translate(without, stdin=text)[0]  # off unless asked for
    translator = fairseq_prune.engine.Translator(str(tmp_path / "packed"))
    # it stays when the file is packed once more, and is seen
    run("fairseq-prune", "pack", tmp_path / "packed", tmp_path / "again", "--values", "int8")
    assert "shortlist: " in run("fairseq-prune", "inspect", tmp_path / "again")
    assert translate(tmp_path / "again", "--shortlist", stdin=text)[0]
    few, _ = translate(tmp_path / "packed", "--shortlist", "--batch-size", "1", stdin=text)
    assert few.decode().splitlines() == [
        translator.translate([line], shortlist=True)[0] for line in source
    ]
    # what each line may be translated by, made from the text
    pairs = [
        [line.split() for line in (corpus / f"train.cut.{x}").read_text("utf-8").splitlines()]
        for x in ("en", "de")
    ]
    linked, seen = {}, {}
    for s, t in zip(*pairs):
        for word in t:
            seen[word] = seen.get(word, 0) + 1
        for a, b in zip(s, t):
            linked.setdefault(a, {}).setdefault(b, 0)
            linked[a][b] += 1
    number = translator.texts.target.index

    def ranked(counts, most):
        return set(sorted(counts, key=lambda w: (-counts[w], number(w)))[:most])

    usual = ranked(seen, 5)
    symbols = set(translator.texts.symbols)
    for line in source:
        words = translator.texts.split(line)
        allowed = usual.union(*(ranked(linked.get(w, {}), 3) for w in words), {"<unk>", "</s>"})
        allowed |= set(words) & symbols
        options = fairseq_prune.engine.SearchOptions(shortlist=True)
        for h in translator.hypotheses([words], False, options)[0]:
            assert {translator.texts.target.symbol(n) for n in h.tokens.tolist()} <= allowed


def test_a_shortlist_by_eflomal(corpus, model, tmp_path):
    """Two translations a word hold far more of what stands there than as many others would."""
    pytest.importorskip("eflomal")
    run("fairseq-prune", "pack", model[0], tmp_path / "packed", "--data", corpus / "data", "--bpe",
        "sentencepiece", "--bpe-codes", corpus / "spm.model", "--shortlist", "2",
        "--shortlist-frequent", "1")  # fmt: skip
    translator = fairseq_prune.engine.Translator(str(tmp_path / "packed"))
    dictionary = translator.texts.source  # a joined one
    found = chance = total = 0
    sides = [(corpus / f"train.cut.{x}").read_text("utf-8").splitlines() for x in ("en", "de")]
    for english, german in zip(*sides):
        source, target = (list(map(dictionary.index, s.split())) for s in (english, german))
        choices = set(translator._shortlist.choices(source, (), len(dictionary)).tolist())
        found += len(choices.intersection(target))
        chance += len(choices) / len(dictionary) * len(set(target))
        total += len(set(target))
    assert found > 1.5 * chance and found > 0.8 * total


def test_mistakes_with_shortlists(corpus, model, tmp_path):
    path, without = model
    assert "packed without one" in translate(without, "--shortlist", stdin=b"x\n", ok=1)[1]
    given = alignments(corpus, tmp_path / "links")
    lines = given.read_text().splitlines(keepends=True)
    for text, message in {
        "".join(lines[:-1]): f"has {len(lines) - 1} lines",
        "".join(["0-0 1-99\n", *lines[1:]]): "line 1 has a place",
        "".join(["0-0 11\n", *lines[1:]]): "line 1 is not of the form",
    }.items():
        given.write_text(text)
        said = pack_fails(path, tmp_path, corpus, "--shortlist", "--alignments", given)
        assert message in said
    for options, message in {
        ("--shortlist", "0"): "--shortlist 0: give 1 to 255",
        ("--shortlist", "--alignments", tmp_path / "none"): "No such file",
        ("--alignments", given): "--alignments is for --shortlist",
        ("--shortlist", "--no-texts"): "--no-texts",
        ("--shortlist", "--shortlist-frequent", "0"): "--shortlist-frequent 0: give 1",
    }.items():
        assert message in pack_fails(path, tmp_path, corpus, *options)


def test_a_shortlist_of_another_model(corpus, model, tmp_path):
    from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
    from fairseq_prune.packed.shortlist import Shortlist

    other = Shortlist(np.array([1, 0]), np.array([3]), np.array([3]))
    pack_checkpoint(str(model[1]), str(tmp_path / "packed"), shortlist=other)
    said = translate(tmp_path / "packed", stdin=b"x\n", ok=1)[1]
    assert "its shortlist is not its model's" in said


def pack_fails(path, folder, corpus, *options):
    said = run(
        "fairseq-prune", "pack", path, folder / "out", "--data", corpus / "data", *options, ok=1
    )
    assert not (folder / "out").exists()
    return said
