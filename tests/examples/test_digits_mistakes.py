"""Mistakes of who runs ``examples/rnn_digits`` end in a sentence."""

import gzip
import sys

import numpy as np
import pytest
from digits import idx, mnist, prune_digits

PICTURES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"


def said_by(monkeypatch, *args):
    """The one sentence the command ends with."""
    monkeypatch.setattr(sys, "argv", ["prune_digits.py", *map(str, args)])
    monkeypatch.setattr(prune_digits, "find_spec", lambda name: name)  # all packages are there
    with pytest.raises(SystemExit) as error:
        prune_digits.main()
    sentence = error.value.code
    assert sentence.startswith("prune_digits: error: ") and "\n" not in sentence  # exit status 1
    return sentence


def damaged(name, change):
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda folder: (folder / LABELS).unlink(), ("--mnist", LABELS)),
        (damaged(PICTURES, lambda b: b[:-1]), (PICTURES, "2879 bytes", "2880")),
        (damaged(PICTURES, lambda b: b + b"x"), (PICTURES, "damaged")),
        (damaged(PICTURES, lambda b: b[:4] + b"\xff" * 12 + b[16:]), (PICTURES, "damaged")),
        (damaged(PICTURES, lambda b: b[:7]), (PICTURES, "damaged")),
        (damaged(PICTURES, lambda b: b""), (PICTURES, "damaged")),
        (damaged(PICTURES, lambda b: gzip.compress(b)), (PICTURES, "no idx file of images")),
        (damaged(LABELS, lambda b: idx(np.arange(119) % 10)), (LABELS, "119 labels for 120")),
        (damaged(LABELS, lambda b: b[:-1] + b"\x0a"), (LABELS, "10 is no digit")),
        (damaged(TEST_LABELS, lambda b: b[:-9]), (TEST_LABELS, "cannot be read")),
        (damaged(TEST_LABELS, lambda b: b[:12] + b"\x00" * 9 + b[21:]), (TEST_LABELS,)),
        (damaged(TEST_LABELS, gzip.decompress), (TEST_LABELS, "cannot be read")),
    ],
)
def test_damaged_mnist_ends_in_a_sentence(monkeypatch, folder, tmp_path, damage, words):
    copy = tmp_path / "mnist"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    damage(copy)
    out = tmp_path / "out"
    sentence = said_by(monkeypatch, "--out", out, "--mnist", copy)
    assert all(word in sentence for word in words)
    assert not out.exists()


@pytest.mark.parametrize(
    "options, words",
    [
        ("", "--out"),
        ("--out FILE", "--out FILE cannot be made a folder"),
        ("--out NEW --mnist NONE", "--mnist NONE has no file train-images-idx3-ubyte"),
        ("--out NEW --layers 0", "--layers: 0 is out of range"),
        ("--out NEW --seeds -1", "--seeds: -1 is out of range"),
        ("--out NEW --epochs 0", "--epochs: 0"),
        ("--out NEW --retrain-epochs none", "--retrain-epochs: none is no whole number"),
        ("--out NEW --jobs 0", "--jobs: 0"),
        ("--out NEW --cells rnn cnn", "--cells: invalid choice: 'cnn'"),
        ("--out NEW --sparsities 0.5 1", "--sparsities: 1 is outside [0, 1)"),
        ("--out NEW --sparsities nan", "--sparsities: nan is outside [0, 1)"),
        ("--out NEW --retrain-sparsities -0.1", "--retrain-sparsities"),
        ("--out NEW --scheme class-bind", "--scheme class-bind is unknown"),
        ("--out NEW --scheme 2:4", "--scheme 2:4 prunes to 0.5 alone; give --sparsities 0.5"),
        ("--out NEW --schedule twice", "--schedule: invalid choice: 'twice'"),
        ("--out NEW --sparsity 0.5", "unrecognized arguments: --sparsity 0.5"),
    ],
)
def test_mistakes_end_in_a_sentence(monkeypatch, tmp_path, options, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("here")
    assert words in said_by(monkeypatch, *options.split())
    assert not (tmp_path / "NEW").exists()


def test_missing_packages_end_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(prune_digits, "find_spec", lambda name: None if name == "sklearn" else name)
    with pytest.raises(mnist.UserError, match="scikit-learn is missing"):
        prune_digits.check_packages(digits=True)
    prune_digits.check_packages(digits=False)  # which does not need it
    monkeypatch.setattr(prune_digits, "find_spec", lambda name: None)
    with pytest.raises(mnist.UserError, match="matplotlib is missing"):
        prune_digits.check_packages(digits=False)
