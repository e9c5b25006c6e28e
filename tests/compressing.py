"""``fairseq-prune compress`` as tests run it, and what they ask of its files."""

import hashlib
import json
import shlex

import numpy as np
from commands import FORKED, run, server

from fairseq_prune.checkpoints.packed.packed_model import PackedModel

GENERATE = "--beam 2 --max-len-b 12"
ONLY_PRUNES = shlex.join((*FORKED, "only-prunes"))


def compress(checkpoint, data, out, *options, after=(), env=None, **kwargs):
    return run(
        "fairseq-prune", "compress", checkpoint, data, "--out", out, "--command",
        shlex.join(map(str, (*FORKED, "fairseq-train"))), *options, "--", *after,
        env={"FORK_SERVER": server(), **(env or {})}, **kwargs,
    )  # fmt: skip


def translated(checkpoint, data, out, *options, **kwargs):
    return compress(checkpoint, data, out, "--generate", GENERATE, *options, **kwargs)


def card_of(out):
    return json.loads((out / "card.json").read_text())


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def counts(packed):
    """(kept, weights) of what its mask is of, by numpy from the file's own tensors."""
    tensors = {t.name: t for t in PackedModel(str(packed)).tensors.values() if t.recorded}
    masks = [
        np.unpackbits(np.asarray(t.packed_mask()))[: int(np.prod(t.shape))]
        for t in tensors.values()
    ]
    return sum(int(mask.sum()) for mask in masks), sum(len(mask) for mask in masks)
