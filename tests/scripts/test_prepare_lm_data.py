"""``scripts/prepare_lm_data.py``: from text, zipped or not, to what fairseq reads."""

import tarfile
import zipfile

import pytest
from commands import REPO, python
from fairseq.data import Dictionary, data_utils

TEXT = {
    "train": "the cat <unk> N\na dog sat\nthe dog\n",
    "valid": "the cat sat\n",
    "test": "a cat <unk>\n\nthe new dog\n",
}


def prepare(*args, ok=True):
    return python(REPO / "scripts" / "prepare_lm_data.py", *args, ok=ok)


def write(folder, name):
    for split, text in TEXT.items():
        (folder / name.format(split=split)).write_text(text)


@pytest.mark.parametrize("form", ["plain", "zip", "tgz"])
def test_words_are_those_of_the_text(tmp_path, form):
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    write(raw, "ptb.{split}.txt")
    files = sorted(raw.iterdir())
    if form == "zip":
        with zipfile.ZipFile(raw / "ptb.zip", "w") as archive:
            for path in files:
                archive.write(path, path.name)
                archive.writestr(f"__MACOSX/._{path.name}", b"\0\1")
    elif form == "tgz":
        with tarfile.open(raw / "simple-examples.tgz", "w:gz") as archive:
            for path in files:
                archive.add(path, f"./simple-examples/data/{path.name}")
    if form != "plain":
        for path in files:
            path.unlink()
    prepare("ptb", "--raw-dir", raw, "--out", out)
    words = Dictionary.load(str(out / "dict.txt"))
    # <unk> of the text is fairseq's own; no words that are none are added
    assert len(words) == len({"the", "cat", "N", "a", "dog", "sat"}) + 4
    for split, text in TEXT.items():
        found = data_utils.load_indexed_dataset(str(out / split), words)
        lines = [" ".join(words[k] for k in line) for line in found]
        expected = [" ".join([*line.split(), "</s>"]) for line in text.splitlines()]
        assert [line.replace("new", "<unk>") for line in expected] == lines
    assert "is already prepared" in prepare("ptb", "--raw-dir", raw, "--out", out)


def test_other_texts(tmp_path):
    write(tmp_path, "{split}.txt")
    prepare("lines", "--raw-dir", tmp_path, "--out", tmp_path / "out")
    assert (tmp_path / "out" / "test.idx").exists()


@pytest.mark.parametrize(
    "args, message",
    [
        (("ptb", "--raw-dir", "{}/none"), "--raw-dir {}/none is not a folder"),
        (("ptb", "--raw-dir", "{}"), "--raw-dir {} has no ptb.train.txt, nor an archive with it"),
        (("lines",), "lines has no public address; give --raw-dir"),
        (("ptb", "--raw-dir", "{}/bad"), "cannot read {}/bad/ptb.zip"),
    ],
)
def test_mistakes(tmp_path, args, message):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "ptb.zip").write_bytes(b"PK\3\4 is no archive")
    args = [arg.format(tmp_path) for arg in args]
    said = prepare(*args, "--out", tmp_path / "out", ok=False)
    assert message.format(tmp_path) in said and "Traceback" not in said
    assert not (tmp_path / "out" / "dict.txt").exists()
