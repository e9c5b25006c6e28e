"""What fairseq-prune pack says, and notes of the dictionaries."""

import hashlib
import json
import math
import shutil
import subprocess

import pytest
import sentencepiece
import torch
from commands import BIN, run, state_of
from forged import content_of, taken_apart

from fairseq_prune.packed.container import Container
from fairseq_prune.packed.texts import Text, read_texts
from fairseq_prune.pruning import unpack


def pack(source, target, *args):
    return run("fairseq-prune", "pack", source, target, *args)


def test_sizes_are_near_the_entropy(data, retrained, tmp_path):
    source, target = retrained[0] / "checkpoint_best.pt", tmp_path / "model.packed"
    command = [str(BIN / "fairseq-prune"), "pack", str(source), str(target), "--json"]
    # standard output is to be JSON alone
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode())
    state = state_of(source)
    model, record = state["model"], state["last_optimizer_state"]["prune"]
    masks = {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}
    bound = 0.0
    for name, weight in model.items():
        mask = masks.get(name, torch.ones_like(weight).bool())
        p = mask.double().mean().item()
        entropy = -p * math.log2(p) - (1 - p) * math.log2(1 - p) if p < 1 else 0
        bound += mask.numel() * entropy / 8 + 4 * int(mask.sum())
    header, tensors = taken_apart(target)
    assert found["bound_bytes"] == pytest.approx(bound)
    assert found["file_bytes"] == target.stat().st_size
    assert found["parameters"] == sum(w.numel() for w in model.values())
    assert found["dense_bytes"] == 4 * found["parameters"]
    assert found["left_out"] == ["the optimizer's state"]
    texts = sum((data / f"dict.{language}.txt").stat().st_size for language in ("en", "de"))
    assert found["text_bytes"] == texts and found["notes"] == []
    assert len(tensors) - texts <= 1.03 * bound + 20 * len(header)


def test_inspect_says_the_same_of_both(retrained, tmp_path):
    source, target = retrained[0] / "checkpoint_best.pt", tmp_path / "model.packed"
    pack(source, target)
    whole, packed = (
        json.loads(run("fairseq-prune", "inspect", path, "--json")) for path in (source, target)
    )
    assert packed.pop("bytes") == target.stat().st_size < whole.pop("bytes") / 3
    assert packed.pop("checkpoint") == str(target) and whole.pop("checkpoint") == str(source)
    assert whole.pop("texts") == {} and set(packed.pop("texts")) == {"source", "target"}
    assert packed == whole and packed["sparsity"] == pytest.approx(0.8, abs=1e-4)


def noted(path):
    return content_of(taken_apart(path)[0])["dictionaries"]


def test_dictionaries_are_noted_by_the_hash_of_their_symbols(data, retrained, tmp_path):
    pack(retrained[0] / "checkpoint_best.pt", tmp_path / "model.packed")
    expected = {}
    for side, language in (("source", "en"), ("target", "de")):
        text = (data / f"dict.{language}.txt").read_text(encoding="utf-8")
        words = [line.split(" ")[0] for line in text.splitlines()]
        symbols = "\n".join(["<s>", "<pad>", "</s>", "<unk>", *words])
        expected[side] = hashlib.sha256(symbols.encode()).hexdigest()
    assert noted(tmp_path / "model.packed") == expected


def test_dictionaries_are_stored(data, retrained, tmp_path):
    path = tmp_path / "model.packed"
    pack(retrained[0] / "checkpoint_best.pt", path)
    texts = read_texts(Container(str(path)))
    for side, language in (("source", "en"), ("target", "de")):
        raw = (data / f"dict.{language}.txt").read_bytes()
        assert texts[side] == Text("dictionary", raw, language)
    assert "texts: source (dictionary en), target (dictionary de)" in run(
        "fairseq-prune", "inspect", path
    )
    pack(retrained[0] / "checkpoint_best.pt", path, "--no-texts")
    assert read_texts(Container(str(path))) == {} and noted(path)


def test_data_that_are_gone(dense, data, tmp_path):
    """Said once, and not needed where a packed model is packed again."""
    state = state_of(dense)
    state["cfg"]["task"]["data"] = str(tmp_path / "moved")
    torch.save(state, str(tmp_path / "model.pt"))
    once, twice = tmp_path / "once.packed", tmp_path / "twice.packed"
    said = pack(tmp_path / "model.pt", once)
    assert "the dictionaries are not stored: there is no folder" in said and "give --data" in said
    assert noted(once) == {}
    assert "dictionaries" not in pack(tmp_path / "model.pt", once, "--data", data)
    assert "dictionaries" not in pack(once, twice)
    assert set(noted(once)) == {"source", "target"} and noted(once) == noted(twice)
    assert read_texts(Container(str(once))) == read_texts(Container(str(twice)))


@pytest.fixture
def pieces(tmp_path):
    """Data whose source is in sentencepieces, as scripts/prepare_data.py leaves them."""
    folder = tmp_path / "pieces"
    folder.mkdir()
    text = "the house by the house, a horse and a mouse in the house of the horse".split()
    (folder / "text").write_text("\n".join(" ".join(text[k:]) for k in range(len(text))))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"), model_prefix=str(folder / "spm.en"), vocab_size=40,
        model_type="bpe", minloglevel=2,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.en.model"))
    words = [processor.id_to_piece(k) for k in range(3, 40)]
    for language in ("en", "de"):
        (folder / f"dict.{language}.txt").write_text("".join(f"{word} 1\n" for word in words))
    (folder / "train.en-de.en.idx").write_bytes(b"")  # which languages
    return folder


def subword(path):
    return read_texts(Container(str(path))).get("subword")


def test_a_sentencepiece_model(dense, data, pieces, tmp_path):
    out, model = tmp_path / "model.packed", pieces / "spm.en.model"
    expected = Text("sentencepiece", model.read_bytes(), "en")
    said = pack(dense, out, "--data", pieces)
    assert f"text will be cut by {model}; --bpe none leaves it out" in said
    assert subword(out) == expected
    header, _ = taken_apart(out)
    assert "text:source" in header and "text:target" not in header  # they are the same
    assert str(model) not in pack(dense, out, "--data", pieces, "--bpe", "none")
    assert subword(out) is None
    assert str(model) not in pack(dense, out, "--data", pieces, "--bpe", "sentencepiece")
    assert subword(out) == expected
    # one by another name, and one that has nothing to do with the dictionary
    other = model.rename(tmp_path / "other.model")
    said = pack(dense, out, "--data", pieces)
    assert "what cuts text into the dictionary's words (sentencepiece) is not stored" in said
    pack(dense, out, "--data", pieces, "--bpe", "sentencepiece", "--bpe-codes", other)
    assert subword(out) == expected
    words = tmp_path / "words"
    shutil.copytree(str(data), str(words))
    shutil.copy(str(other), str(words / "spm.en.model"))
    (words / "code").write_text("no codes at all")
    assert "text will be cut" not in pack(dense, out, "--data", words) and subword(out) is None


def test_codes_and_a_tokenizer(dense, data, tmp_path):
    (tmp_path / "codes").write_bytes(b"#version: 0.2\nt h\n")
    out = tmp_path / "model.packed"
    pack(dense, out, "--data", data, "--bpe", "subword_nmt", "--bpe-codes", tmp_path / "codes",
         "--tokenizer", "moses")  # fmt: skip
    texts = read_texts(Container(str(out)))
    assert texts["subword"] == Text("subword_nmt", b"#version: 0.2\nt h\n", "en")
    assert texts["tokenizer"] == Text("moses", None, "en", {"target_language": "de"})
    assert "subword (subword_nmt en), tokenizer (moses en)" in run("fairseq-prune", "inspect", out)


def test_what_the_checkpoint_names_is_not_looked_for_elsewhere(dense, pieces, tmp_path):
    """A file from anyone must not have others put into what is given away."""
    state = state_of(dense)
    model = (pieces / "spm.en.model").rename(tmp_path / "secret")
    state["cfg"]["bpe"] = {"_name": "sentencepiece", "sentencepiece_model": str(model)}
    state["cfg"]["tokenizer"] = {"_name": "moses", "moses_no_escape": True}
    torch.save(state, str(tmp_path / "model.pt"))
    out = tmp_path / "model.packed"
    said = pack(tmp_path / "model.pt", out, "--data", pieces)
    assert "(sentencepiece) is not stored" in said and subword(out) is None
    assert "text will be cut into words by moses; --tokenizer none leaves it out" in said
    options = read_texts(Container(str(out)))["tokenizer"].options
    assert options == {"target_language": "de", "no_escape": True, "no_dash_splits": False}
