"""The engine's products alone, against MKL's of compressed sparse rows and against dense ones.

First all products of one decoder step of the paper's model: what decoding cannot be faster than.
Four LSTM layers, attention and softmax one after the other, so that each finds the caches as cold
as in decoding; five columns, a beam. Then the largest of them, the softmax, with eight columns, as
many as MKL takes at once.
"""

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
        what = f"kernel alone, {COLUMNS} columns, {100 * sparsity:g}%"
        yield from compared(what, {SOFTMAX: 1}, COLUMNS, sparsity, "MKL CSR", "at least 2.5")


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
