"""Ratios against peers, each measured in this run: ``make bench``.

python -m benchmarks [--only NAME] [--million 216]
"""

import argparse
import platform
import sys

import fairseq
import numpy
import torch

from . import (
    decoding,
    distillation,
    engine,
    language_model,
    masked_step,
    packing,
    products,
    pruning,
    scores,
    training,
)

BENCHMARKS = {
    "pruning": pruning.rows,
    "scores": scores.rows,
    "masked-step": masked_step.rows,
    "training": training.rows,
    "distillation": distillation.rows,
    "packing": packing.rows,
    "products": products.rows,
    "decoding": decoding.rows,
    "engine": engine.rows,
    "language-model": language_model.rows,
}


def processor() -> str:
    """What the system calls its processor."""
    try:
        with open("/proc/cpuinfo") as f:
            return next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=sorted(BENCHMARKS), help="run just this one")
    parser.add_argument(
        "--million", type=float, default=216, help="weights to prune, in millions (default: 216)"
    )
    args = parser.parse_args(argv)
    print(
        f"{processor()}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}, fairseq {fairseq.__version__}, numpy {numpy.__version__}; "
        f"medians; ratio = ours / peer, of rates and of sizes and seconds alike\n"
    )
    print(f"{'what':<56} {'ours':>14} {'peer':>14} {'ratio':>8}  goal", flush=True)
    for name, rows in BENCHMARKS.items():
        if args.only in (None, name):
            for what, ours, peer, ratio, goal in rows(args):
                print(f"{what:<56} {ours:>14} {peer:>14} {ratio:>8}  {goal}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
