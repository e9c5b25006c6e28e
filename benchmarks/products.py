"""Only the products of one decoder step of the paper's model: what decoding cannot be faster than.

Four LSTM layers, attention and softmax one after the other, so that each finds the caches as cold
as in decoding; five columns, a beam.
"""

import torch

from fairseq_prune.runtime.products import KINDS

from .models import in_turn, median

#: How many there are of each matrix.
SHAPES = {(4000, 2000): 4, (1000, 2000): 1, (50_000, 1000): 1}
BEAM = 5


def rows(args):
    torch.manual_seed(0)
    for sparsity in (0.8, 0.9, 0.95):
        steps = {kind: [] for kind in KINDS}
        for (height, width), count in SHAPES.items():
            x = torch.randn(BEAM, width)
            for _ in range(count):
                weight = torch.randn(height, width)
                weight[torch.rand(height, width) < sparsity] = 0.0
                for kind, products in steps.items():
                    products.append((KINDS[kind]([weight]), x))
        with torch.no_grad():
            seconds = in_turn([lambda p=p: [f(x) for f, x in p] for p in steps.values()], 15)
        dense, *others = map(median, seconds)
        for kind, mine in zip(list(steps)[1:], others):
            yield (
                f"products of a step, 216 M, {100 * sparsity:g}%: {kind}",
                f"{1 / mine:.1f} steps/s",
                f"{1 / dense:.1f} steps/s",
                f"{dense / mine:.2f}",
                "",
            )
