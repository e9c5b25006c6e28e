"""The engine's products alone, against MKL's of compressed sparse rows and against dense ones.

First all products of one decoder step of the paper's model: what decoding cannot be faster than.
Four LSTM layers, attention and softmax one after the other, so that each finds the caches as cold
as in decoding; five columns, a beam. Then the largest of them, the softmax, with eight columns, as
many as MKL takes at once: called from Python, as models that fairseq runs do, and the kernel alone,
as the engine calls it.
"""

import os
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import torch

from fairseq_prune.runtime.products import KINDS
from fairseq_prune.runtime.torch_products import TorchSparse

from .models import in_turn, median

#: How many there are of each matrix.
SHAPES = {(4000, 2000): 4, (1000, 2000): 1, (50_000, 1000): 1}
SOFTMAX, BEAM, COLUMNS = (50_000, 1000), 5, 8
SPARSITIES, ROUNDS = (0.8, 0.9, 0.95), 15
MAKERS = {**KINDS, "MKL CSR": TorchSparse}


def rows(args):
    torch.manual_seed(0)
    for sparsity in SPARSITIES:
        yield from compared(
            f"products of a step, 216 M, {100 * sparsity:g}%", SHAPES, BEAM, sparsity, "dense", ""
        )
    for sparsity in SPARSITIES:
        what = f"product, {COLUMNS} columns, {100 * sparsity:g}%"
        yield from compared(what, {SOFTMAX: 1}, COLUMNS, sparsity, "MKL CSR", "")
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(folder)
        for sparsity in SPARSITIES:
            yield alone(program, sparsity)
        for columns in (1, BEAM, 16):
            yield costs(program, columns)


def compiled(folder: str) -> str:
    """``kernel.cpp``, as ``setup.py`` compiles the engine."""
    here, program = Path(__file__).parent, os.path.join(folder, "kernel")
    options = ["-std=c++17", "-O3", "-pthread", "-Wno-psabi", "-mavx2", "-mfma", "-mf16c"]
    source = here.parent / "fairseq_prune" / "engine" / "src"
    compiler = os.environ.get("CXX") or sysconfig.get_config_var("CXX").split()[0]
    subprocess.run(
        [compiler, *options, f"-I{source}", str(here / "kernel.cpp"), "-o", program], check=True
    )
    return program


def alone(program: str, sparsity: float):
    """By turns, in some runs of the kernel, each of which makes a product some times."""
    height, width = SOFTMAX
    weight = torch.randn(height, width)
    weight[torch.rand(height, width) < sparsity] = 0.0
    # in MKL's own order, columns beside each other
    peer, x = TorchSparse([weight]).weight, torch.randn(width, COLUMNS)
    threads = torch.get_num_threads()
    ours, theirs = [], []
    for _ in range(3):
        ours += seconds_of(program, height, width, 1 - sparsity, COLUMNS, threads, ROUNDS, "sparse")
        theirs += in_turn([lambda: peer @ x], ROUNDS)[0]
    mine, other = median(ours), median(theirs)
    return (
        f"kernel alone, {COLUMNS} columns, {100 * sparsity:g}%: sparse vs MKL CSR",
        f"{1 / mine:.1f} /s",
        f"{1 / other:.1f} /s",
        f"{other / mine:.2f}",
        "at least 2.5",
    )


def compared(what, shapes, columns, sparsity, peer, goal):
    """Each kind against ``peer``; the goal is that of sparse ones."""
    steps = {kind: [] for kind in MAKERS}
    for (height, width), count in shapes.items():
        x = torch.randn(columns, width)
        for _ in range(count):
            weight = torch.randn(height, width)
            weight[torch.rand(height, width) < sparsity] = 0.0
            for kind, products in steps.items():
                products.append((MAKERS[kind]([weight]), x))
    with torch.no_grad():
        times = in_turn([lambda p=p: [f(x) for f, x in p] for p in steps.values()], ROUNDS)
    seconds = dict(zip(steps, map(median, times)))
    for kind in steps:
        if kind != peer:
            yield (
                f"{what}: {kind} vs {peer}",
                f"{1 / seconds[kind]:.1f} /s",
                f"{1 / seconds[peer]:.1f} /s",
                f"{seconds[peer] / seconds[kind]:.2f}",
                goal if kind == "sparse" else "",
            )


def costs(program: str, columns: int):
    """What ``runtime.auto`` goes by: of a weight that is kept, and of any weight, on one thread."""
    (height, width), density = (4000, 1000), 0.2
    runs = [(density, "sparse"), (1.0, "int8")] * 3
    found = {"sparse": [], "int8": []}
    for kept, kind in runs:
        seconds = seconds_of(program, height, width, kept, columns, 1, ROUNDS, kind)
        found[kind] += [1e9 * s / (height * width * kept) for s in seconds]
    sparse, whole = median(found["sparse"]), median(found["int8"])
    return (
        f"a weight, {columns} columns, one thread: sparse fp32, dense int8",
        f"{sparse:.2f} ns",
        f"{whole:.2f} ns",
        f"{sparse / whole:.2f}",
        "",
    )


def seconds_of(program: str, *arguments):
    done = subprocess.run([program, *map(str, arguments)], stdout=subprocess.PIPE, check=True)
    return list(map(float, done.stdout.split()))
