"""Packed files: bytes beside the entropy bound, CSR and general compressors; time and memory."""

import gzip
import statistics
import sys
import time
from dataclasses import asdict

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint, unpack_file
from fairseq_prune.packed.described import VALUES

from .checkpoints import stored
from .process import call, held_kib

_CHUNK = 1 << 24

#: The paper's pruned model at 80% over its dense one, in bytes (272 of 782 MB).
PAPER = "paper 0.348 at 80%"


def rows(args):
    for million, sparsities in {216: (0.8, 0.9, 0.95), 50: (0.8,), 10: (0.8,)}.items():
        for sparsity in sparsities:
            checkpoint = stored(million, sparsity)
            what = f"{million} M, {100 * sparsity:g}%"
            yield from sizes(checkpoint, what, million * 1e6 * (1 - sparsity))
            if sparsity == 0.8:
                yield from times(checkpoint, what, million == 216)


def sizes(checkpoint, what, kept):
    found = call("packing:pack_each", checkpoint)
    for values, packed in found.items():
        name = "fp32" if values == "exact" else values
        yield row(f"bytes, {what}, {name}: bound", packed["file"], packed["bound"], "at most 1.03")
        if values == "exact":
            yield row(f"bytes, {what}, fp32: dense", packed["file"], packed["dense"], PAPER)
            # a column (int32) and a value for each weight kept
            yield row(f"bytes, {what}, fp32: CSR", packed["file"], 8 * kept, "")


def times(checkpoint, what, has_goals):
    packs = [call("packing:pack", checkpoint, "exact") for _ in range(3 if has_goals else 1)]
    dense = packs[0]["dense"]
    unpacks = [call("packing:unpack", checkpoint) for _ in packs]
    for verb, runs in (("pack", packs), ("unpack", unpacks)):
        seconds = statistics.median(run["seconds"] for run in runs)
        yield f"{verb}, {what}: time", f"{seconds:.2f} s", "", "", "at most 10 s" * has_goals
        extra = max(run["extra"] for run in runs)
        goal = "at most 1.2" * has_goals
        yield row(f"{verb}, {what}: memory, and the model's bytes", extra, dense, goal)
    if has_goals:
        yield from compressors(checkpoint, what, packs[0])


def row(what, ours, peer, goal):
    return what, f"{ours / 1e6:.2f} MB", f"{peer / 1e6:.2f} MB", f"{ours / peer:.3f}", goal


def compressors(checkpoint, what, packed):
    """General compressors on the checkpoint, its zeros included."""
    found = {"gzip -6": lambda f: gzip.GzipFile(fileobj=f, mode="wb", compresslevel=6)}
    try:
        import zstandard

        found["zstd -3"] = lambda f: zstandard.ZstdCompressor(level=3).stream_writer(f)
    except ImportError:
        print("zstandard is not installed: zstd left out", file=sys.stderr)
    for name, make in found.items():
        size, seconds = compress(checkpoint, make)
        yield row(f"bytes, {what}, fp32: {name} of the checkpoint", packed["file"], size, "")
        mine = packed["seconds"]
        ratio = f"{mine / seconds:.3f}"
        yield f"pack, {what}: time of {name}", f"{mine:.2f} s", f"{seconds:.2f} s", ratio, ""


class _Counter:
    """A file that only counts."""

    def __init__(self):
        self.size = 0

    def write(self, data) -> int:
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""


def compress(path, make):
    counter, started = _Counter(), time.perf_counter()
    writer = make(counter)
    with open(path, "rb") as f:
        for piece in iter(lambda: f.read(_CHUNK), b""):
            writer.write(piece)
    writer.close()
    return counter.size, time.perf_counter() - started


def pack_each(checkpoint):
    """Bytes by kind of values."""
    return {values: pack(checkpoint, values) for values in VALUES}


def pack(checkpoint, values):
    """Bytes, seconds and memory of packing."""

    def work():
        packed = asdict(pack_checkpoint(checkpoint, checkpoint + ".packed", values))
        return {key: packed[f"{key}_bytes"] for key in ("file", "bound", "dense")}

    return measured(work)


def unpack(checkpoint):
    """Seconds and memory of unpacking what was packed last."""
    return measured(lambda: unpack_file(checkpoint + ".packed", checkpoint + ".back") or {})


def measured(work):
    before, started = held_kib(), time.perf_counter()
    found = work()
    seconds = time.perf_counter() - started
    return {**found, "seconds": seconds, "extra": 1024 * (held_kib("VmHWM") - before)}
