"""The real commands, run as a user runs them, and what tests ask of their files."""

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from fork_server import MODULES

from fairseq_prune.checkpoints.safe_io import read_checkpoint

REPO = Path(__file__).resolve().parents[1]
PLUGIN = str(REPO / "fairseq_prune")
BIN = Path(sys.executable).parent

SMALL = """
    --arch pruned_lstm_nmt_tiny --init-range 0.5 --max-tokens 400 --seed 3 --cpu
    --required-batch-size-multiple 1 --num-workers 0 --clip-norm 5 --log-format json
    --log-interval 1 --no-epoch-checkpoints
""".split()


_servers = []


def run(command, *args, ok=True, env=None, stdin=""):
    """Run a console script of this environment; return its output, both streams.

    Those of fairseq and this plugin run in a fork of a process that has torch and fairseq
    imported (``fork_server``), others as they are.
    """
    env = {"OMP_NUM_THREADS": "1", **(env or {})}  # other work may go on beside the tests
    if command in MODULES:
        code, output = _run_forked(command, list(map(str, args)), env, stdin)
    else:
        done = subprocess.run(
            [str(BIN / command), *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            input=stdin,
            env={**os.environ, **env},
        )
        code, output = done.returncode, done.stdout
    assert (code == 0) == ok, output[-4000:]
    return output


def _run_forked(command, args, env, stdin):
    if not _servers:
        _servers.append(
            subprocess.Popen(
                [sys.executable, str(REPO / "tests" / "fork_server.py")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                universal_newlines=True,
                bufsize=1,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        request = {"command": command, "args": args, "env": env}
        for stream, content in (("stdin", stdin), ("output", "")):
            request[stream] = os.path.join(folder, stream)
            with open(request[stream], "w", encoding="utf-8") as f:
                f.write(content)
        _servers[0].stdin.write(json.dumps(request) + "\n")
        code = int(_servers[0].stdout.readline())
        with open(request["output"], encoding="utf-8", errors="replace") as f:
            return code, f.read()


def python(*args, ok=True):
    """Run the Python of this environment."""
    return run("python", *args, ok=ok)


def train(data, save_dir, *args, ok=True, base=SMALL):
    return run(
        "fairseq-train", data, "--user-dir", PLUGIN, *base, "--save-dir", save_dir, *args, ok=ok
    )


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
