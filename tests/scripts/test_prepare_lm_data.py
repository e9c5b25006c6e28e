"""``scripts/prepare_lm_data.py``: from text, zipped or not, to what fairseq reads."""

import sys
import tarfile
import zipfile

import pytest
from commands import REPO, python, run
from fairseq.data import Dictionary, data_utils

TEXT = {
    "train": "the cat <unk> N\na dog sat\nthe dog\n",
    "valid": "the cat sat\n",
    "test": "a cat <unk>\n\nthe new dog\n",
}


def prepare(*args, ok=True):
    return python(REPO / "scripts" / "prepare_lm_data.py", *args, ok=ok)


def refused(out, *args):
    """What is said of a mistake; nothing is made of it."""
    before = sorted(out.parent.rglob("*"))
    said = prepare(*args, "--out", out, ok=False)
    assert said.startswith("prepare_lm_data: error: ") and said.count("\n") == 1, said
    assert sorted(out.parent.rglob("*")) == before
    return said


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
    out = tmp_path / "out"
    prepare("lines", "--raw-dir", tmp_path, "--out", out)
    assert (out / "test.idx").exists()
    said = refused(out, "ptb", "--raw-dir", tmp_path)
    assert f"--out {out} holds another corpus, lines; give another folder" in said
    (out / "text" / "corpus").unlink()  # as before there were such files
    assert "is already prepared" in prepare("lines", "--raw-dir", tmp_path, "--out", out)


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
    said = refused(tmp_path / "out", *(arg.format(tmp_path) for arg in args))
    assert message.format(tmp_path) in said


def damaged_zip(folder):
    with zipfile.ZipFile(folder / "ptb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ptb.test.txt", "word " * 99)
        start = archive.infolist()[0].FileHeader()
    content = bytearray((folder / "ptb.zip").read_bytes())
    content[len(start) : len(start) + 4] = b"\xff" * 4
    (folder / "ptb.zip").write_bytes(content)


def encrypted_zip(folder):
    with zipfile.ZipFile(folder / "ptb.zip", "w") as archive:
        archive.writestr("ptb.test.txt", "word")
    content = (folder / "ptb.zip").read_bytes()
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.index(signature) + flags
        content = content[:at] + b"\1" + content[at + 1 :]
    (folder / "ptb.zip").write_bytes(content)


def tar_of(kind, link=""):
    def make(folder):
        with tarfile.open(folder / "ptb.tgz", "w:gz") as archive:
            member = tarfile.TarInfo("data/ptb.test.txt")
            member.type, member.linkname = kind, link
            archive.addfile(member)

    return make


@pytest.mark.parametrize(
    "make, file",
    [
        (damaged_zip, "ptb.zip"),
        (encrypted_zip, "ptb.zip"),
        (tar_of(tarfile.SYMTYPE, "none"), "ptb.tgz"),
        (tar_of(tarfile.SYMTYPE, "ptb.test.txt"), "ptb.tgz"),
        (tar_of(tarfile.DIRTYPE), "ptb.tgz"),
        (lambda folder: (folder / "ptb.test.txt").write_bytes(b"\xff\n"), "ptb.test.txt"),
    ],
    ids=["damaged", "encrypted", "dangling link", "link to itself", "folder", "not UTF-8"],
)
def test_unreadable_texts(tmp_path, make, file):
    """The last split, so that others were read before it."""
    write(tmp_path, "ptb.{split}.txt")
    (tmp_path / "ptb.test.txt").unlink()
    make(tmp_path)
    said = refused(tmp_path / "out", "ptb", "--raw-dir", tmp_path)
    assert f"cannot read {tmp_path / file}: " in said


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_empty_text(tmp_path, content):
    write(tmp_path, "{split}.txt")
    (tmp_path / "valid.txt").write_text(content)
    assert "valid.txt is empty" in refused(tmp_path / "out", "lines", "--raw-dir", tmp_path)


SCRIPTS = ["prepare_lm_data", "prepare_data"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_out_that_cannot_be_made(tmp_path, script):
    for name in ("{split}.en", "{split}.de"):
        write(tmp_path, name)
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        args = (REPO / "scripts" / f"{script}.py", "demo", "--raw-dir", tmp_path, "--out", out)
        said = python(*args, ok=False)
        assert f"{script}: error: cannot make the folder {out}/text: Not a directory" in said
        assert "--out" in said and "Traceback" not in said
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_python_without_fairseq(tmp_path, script):
    for name in ("{split}.en", "{split}.de"):
        write(tmp_path, name)
    alone = tmp_path / "python"
    alone.symlink_to(sys.executable)
    args = (REPO / "scripts" / f"{script}.py", "demo", "--raw-dir", tmp_path)
    said = run(alone, *args, "--out", tmp_path / "out", ok=False)
    assert said.startswith(f"{script}: error: {alone} has no fairseq-preprocess beside it")
    assert "such as .venv/bin/python" in said and not (tmp_path / "out").exists()
