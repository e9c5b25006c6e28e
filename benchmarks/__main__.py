"""Ratios against peers, each measured in this run: ``make bench``.

python -m benchmarks [--only NAME] [--million 216]
"""

import argparse
import platform
import sys

import torch

from . import masked_step, pruning, training

BENCHMARKS = {
    "pruning": pruning.rows,
    "masked-step": masked_step.rows,
    "training": training.rows,
}


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=sorted(BENCHMARKS), help="run just this one")
    parser.add_argument(
        "--million", type=float, default=216, help="weights to prune, in millions (default: 216)"
    )
    args = parser.parse_args(argv)
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, Python "
        f"{platform.python_version()}, torch {torch.__version__}; medians; ours / peer\n"
    )
    print(f"{'what':<44} {'ours':>14} {'peer':>14} {'ratio':>8}  goal", flush=True)
    for name, rows in BENCHMARKS.items():
        if args.only in (None, name):
            for what, ours, peer, ratio, goal in rows(args):
                print(f"{what:<44} {ours:>14} {peer:>14} {ratio:>8}  {goal}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
