"""The real commands, run as a user runs them, and what tests ask of their files."""

import atexit
import os
import pickletools
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from fork_server import MODULES, PLUGIN, ask

from fairseq_prune.checkpoints.reading import read_checkpoint

REPO = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

SMALL = """
    --arch pruned_lstm_nmt_tiny --init-range 0.5 --max-tokens 400 --seed 3 --cpu
    --required-batch-size-multiple 1 --num-workers 0 --clip-norm 5 --log-format json
    --log-interval 1 --no-epoch-checkpoints
""".split()

DECODE = ("--required-batch-size-multiple", "1", "--cpu", "--num-workers", "0")

_server = []


def run(command, *args, ok=True, env=None, stdin="", prepare=None):
    """Run a console script of this environment; return its output, both streams.

    Those of fairseq and this plugin run in a fork of a process that has torch and fairseq
    imported (``fork_server``), others as they are.

    Args:
        ok: whether it must succeed; a number, the exit status it must end with (-N: signal N);
            several, one of which it must end with: then the status is returned.
        prepare: module, function and arguments to call first in the forked process.
    """
    env = {"OMP_NUM_THREADS": "1", **(env or {})}  # other work may go on beside the tests
    if "--cpu" in args:
        env["CUDA_VISIBLE_DEVICES"] = ""  # fairseq clips gradients on a GPU where it sees one
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("in", stdin), ("out", "")):
            Path(folder, name).write_text(content, encoding="utf-8")
        with open(Path(folder, "in")) as read, open(Path(folder, "out"), "a+") as out:
            if command in MODULES:
                fds = (read.fileno(), out.fileno(), out.fileno())
                words = list(map(str, args))
                code = ask(server(), command, words, env, prepare, fds)
            else:
                code = subprocess.run(
                    [str(BIN / command), *map(str, args)],
                    stdin=read,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **env},
                ).returncode
        output = Path(folder, "out").read_text(encoding="utf-8", errors="replace")
    if isinstance(ok, tuple):
        assert code in ok, output[-4000:]
        return code
    assert code == ok if type(ok) is int else (code == 0) == ok, output[-4000:]
    return output


def server():
    """The socket of this session's fork server, started by the first who asks."""
    if not _server:
        folder = tempfile.mkdtemp()
        path = os.path.join(folder, "socket")
        process = subprocess.Popen(
            [sys.executable, str(REPO / "tests" / "fork_server.py"), path],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        atexit.register(process.kill)
        while not os.path.exists(path):
            assert process.poll() is None, "the fork server did not start"
            time.sleep(0.05)
        _server.append(path)
    return _server[0]


#: For commands that start others: ``fairseq-train`` through the fork server.
FORKED = (sys.executable, str(REPO / "tests" / "fork_server.py"))


def python(*args, ok=True):
    """Run the Python of this environment."""
    return run("python", *args, ok=ok)


def train(data, save_dir, *args, base=SMALL, **kwargs):
    """Run fairseq-train with this plugin; ``kwargs`` are those of ``run``."""
    options = ("--user-dir", PLUGIN, *base, "--save-dir", save_dir, *args)
    return run("fairseq-train", data, *options, **kwargs)


def state_of(path):
    return read_checkpoint(str(path))


def equal(a, b):
    """Bit-equality of nested containers of tensors and numbers (also of -0.0 and 0.0)."""
    if torch.is_tensor(a):
        return (
            torch.is_tensor(b)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and torch.equal(a, b)
            and torch.equal(torch.signbit(a), torch.signbit(b))
        )
    if isinstance(a, np.ndarray):
        same_kind = isinstance(b, np.ndarray) and (a.dtype, a.shape) == (b.dtype, b.shape)
        return same_kind and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def make_corpus(folder, pairs=300):
    """Sentences of invented words; the translation is another word order and language."""
    rng = random.Random(0)
    for split, count in (("train", pairs), ("valid", 30), ("test", 30)):
        with open(folder / f"{split}.en", "w") as en, open(folder / f"{split}.de", "w") as de:
            for _ in range(count):
                words = [rng.randrange(20) for _ in range(rng.randint(2, 9))]
                en.write(" ".join(f"w{word}" for word in words) + "\n")
                de.write(" ".join(f"v{word}" for word in words[::-1]) + "\n")


#: 300 sentences in batches of 400 tokens: some 6 updates an epoch, so that 12 updates
#: end in the middle of one; the learning rate changes inside epochs.
RETRAIN = """
    --task pruned_translation --optimizer pruned_sgd --momentum 0.9 --weight-decay 0.01
    --lr 0.5 --lr-scheduler luong --lr-decay-start 1 --lr-decay-every 0.3
    --prune-scheme class-blind --prune-sparsity 0.8
""".split()


def refused(data, folder, *args):
    """The one line that a refused fairseq-train says; checks that it wrote no checkpoint."""
    output = train(data, folder, *args, ok=False)
    assert "Traceback" not in output, output[-3000:]
    sentences = [line for line in output.splitlines() if "fairseq_prune: error: " in line]
    assert len(sentences) == 1, output[-3000:]
    assert not folder.exists() or not list(folder.iterdir())
    return sentences[0]


def lines(output, kind):
    """{sentence: last tab-separated field} of fairseq-generate's lines "KIND-sentence"."""
    found = re.findall(rf"^{kind}-(\d+)\t(.*)$", output, re.MULTILINE)
    return {int(number): text.split("\t")[-1] for number, text in found}


def generate_without_plugin(data, path):
    """The H lines of stock fairseq-generate, in a process that knows nothing of this plugin."""
    # one at a time: padded, stock 0.12.2's transformer fails on torch 1.13, dense or pruned
    options = ("--beam", "2", "--max-len-b", "12", "--batch-size", "1")
    # stock fairseq loads no checkpoint on torch >= 2.6 otherwise
    env = {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    output = run("fairseq-generate", data, "--path", path, *DECODE, *options, env=env,
                 prepare=("outside", "refuse_the_plugin"))  # fmt: skip
    return lines(output, "H")


def pickled_types(path):
    """What a checkpoint names besides plain containers and numbers: classes and functions."""
    with zipfile.ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        found = list(pickletools.genops(archive.read(name)))
    assert not any(op.name == "STACK_GLOBAL" for op, _, _ in found), "torch writes GLOBAL"
    return {argument for op, argument, _ in found if op.name == "GLOBAL"}
