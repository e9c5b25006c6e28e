"""Files damaged or forged at random: refused, or read in full; never anything else."""

import copy
import json
import random

import pytest
import torch
from forged import NO_HASH, content_of, forge, memory_limit, sign, taken_apart, with_content

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.checkpoints.packed.packed_model import PackedModel
from fairseq_prune.pruning import PruneError

ODD = (
    None, True, -1, 0, 1, 7, 2**31, 2**60, 2**63, -(2**60), 10**400, 0.5, 1e308, "", "F32", "I8",
    "U8", "int8", "fp16", "exact", "pruned", "state:0", "tensor", "tuple", "\ud800", [], [[]], [0],
    [-1, -1], [2**60], [30, 20], [2**62, 0, 2**62], {}, {"!": "tensor", "is": 0}, {"!": "set"},
    {"!": "pairs", "is": [[{"!": "tuple", "is": []}, 1]]}, {"same_as": "pruned"},
)  # fmt: skip


def read(path):
    """All there is in a file; None where it is refused."""
    try:
        packed = PackedModel(str(path))
        model = packed.decode()
        packed.state(model)
        for tensor in packed.tensors.values():
            assert tensor.kept() <= model[tensor.name].numel()
        return model
    except PruneError as error:
        assert "\n" not in str(error)
        return None


def damaged(rng, raw):
    """The same bytes but for one to three random changes."""
    raw = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at, other = rng.randrange(len(raw)), rng.randrange(len(raw))
        length = rng.choice((1, 2, 8, 64, rng.randint(1, len(raw))))
        kind = rng.choice(("bit", "byte", "overwrite", "cut", "remove", "insert", "swap", "repeat"))
        if kind == "bit":
            raw[at] ^= 1 << rng.randrange(8)
        elif kind == "byte":
            raw[at] = rng.choice((0, 255, rng.randrange(256)))
        elif kind == "overwrite":
            some = bytes(rng.randrange(256) for _ in range(min(length, len(raw) - at)))
            raw[at : at + len(some)] = some
        elif kind == "cut":
            del raw[at:]
        elif kind == "remove":
            del raw[at : at + length]
        elif kind == "insert":
            raw[at:at] = bytes(rng.randrange(256) for _ in range(length))
        elif kind == "swap":
            a, b = sorted((at, other))
            length = min(length, b - a, len(raw) - b)
            raw[a : a + length], raw[b : b + length] = raw[b : b + length], raw[a : a + length]
        else:
            raw[at:at] = raw[at : at + length]
        raw = raw or bytearray(b"\0")
    return bytes(raw)


def bits_of(model):
    return {n: (w.shape, w.dtype, w.numpy().tobytes()) for n, w in model.items()}


@pytest.mark.parametrize("seed", range(4))
def test_damage_is_noticed_or_changes_nothing(packed, seed):
    path, state = packed
    rng, raw, refused = random.Random(seed), path.read_bytes(), 0
    for _ in range(600):
        path.write_bytes(damaged(rng, raw))
        with memory_limit(24 << 20):
            found = read(path)
        refused += found is None
        assert found is None or bits_of(found) == bits_of(state["model"])
    assert refused > 500


def places(value, at=()):
    """The way to everything in nested lists and dicts."""
    yield at
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from places(item, (*at, key))


def changed(rng, value):
    """A copy with one to three of its parts replaced, removed, renamed or put elsewhere."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2, 3))):
        *way, last = rng.choice([place for place in places(value) if place] or [("new",)])
        parent = value
        for key in way:
            parent = parent[key]
        kind = rng.choice(("replace", "replace", "number", "remove", "rename", "move"))
        if kind == "remove" and (isinstance(parent, list) or last in parent):
            del parent[last]
        elif kind == "rename" and isinstance(parent, dict):
            parent[rng.choice(("pruned", "odd:mask", "!", "is", "shape"))] = parent.pop(last, 0)
        elif kind == "move":
            elsewhere = value
            for key in rng.choice(list(places(value))):
                elsewhere = elsewhere[key]
            parent[last] = copy.deepcopy(elsewhere)
        elif kind == "number" and type(parent[last]) is int:
            parent[last] += rng.choice((-8, -1, 1, 2, 8, 1000))
        else:
            parent[last] = copy.deepcopy(rng.choice(ODD))
    return value


def forgery(rng, path, header, data):
    """Write a file with other text, content, header or tensors and a checksum that is right."""
    kind = rng.choice(("text", "content", "content", "content", "header", "data", "data"))
    if kind == "text":
        metadata = {**header["__metadata__"], "sha256": NO_HASH}
        text = json.dumps({**header, "__metadata__": metadata}).encode()
        sign(path, damaged(rng, text), data)
    elif kind == "content":
        forge(path, with_content(header, changed(rng, content_of(header))), data)
    elif kind == "header":
        forge(path, changed(rng, header), data)
    else:
        other = bytearray(data)
        for _ in range(rng.choice((1, 3, 30))):
            other[rng.randrange(len(other))] = rng.randrange(256)
        forge(path, header, bytes(other))


@pytest.mark.parametrize("values", ["exact", "fp16", "int8"])
@pytest.mark.parametrize("seed", range(2))
def test_forgeries_are_refused_or_read_in_little_memory(packed, values, seed):
    path, state = packed
    torch.save(state, str(path) + ".pt")
    pack_checkpoint(str(path) + ".pt", str(path), values)
    header, data = taken_apart(path)
    rng, refused = random.Random(seed), 0
    for _ in range(400):
        forgery(rng, path, header, data)
        with memory_limit(80 << 20):  # more than 10,000 times the file
            refused += read(path) is None
    assert 100 < refused < 380, "some are refused, some are not"
