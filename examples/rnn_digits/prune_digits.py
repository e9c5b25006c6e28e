#!/usr/bin/env python3
"""Train RNNs to read images of digits a row at a step, prune them by magnitude, retrain them.

    python examples/rnn_digits/prune_digits.py --out runs/rnn_digits

After Luyu Wang 2017, "Model Compression: Weights Pruning for RNNs". Prints tables of results and
of the study's claims, and writes them to OUT/results.md, all numbers to OUT/results.json, figures
to OUT/curves.png and OUT/blocks.png.
"""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Dict, Iterator, List

import mnist
import torch
from experiment import Task, run
from mnist import UserError
from options import parse
from report import report

from fairseq_prune.pruning import PruneError, options_begin_with


def main() -> None:
    started = time.time()
    try:
        with options_begin_with("--"):
            args = parse()
        check_packages(digits=args.mnist is None)
        if args.mnist is not None:
            mnist.load(args.mnist)  # to hear of what is wrong with it now, not from each process
        make_folder(args.out)
        tasks = [
            Task(
                cell, layers, seed, args.epochs, args.retrain_epochs, args.batch, args.sparsities,
                args.retrain_sparsities, args.scheme, args.schedule, args.mnist,
            )
            for cell in args.cells
            for layers in args.layers
            for seed in args.seeds
        ]  # fmt: skip
        found = {}
        for task, result in run_all(tasks, args.jobs):
            found[task] = result
            say(f"{len(found)} of {len(tasks)}, {time.time() - started:.0f} s: {progress(result)}")
    except (UserError, PruneError) as error:
        sys.exit(f"prune_digits: error: {error}")
    seconds = time.time() - started
    print(report([found[task] for task in tasks], vars(args), args.out, seconds))
    say(f"{seconds:.0f} s; tables, numbers and figures are in {args.out}")


def check_packages(digits: bool) -> None:
    """Raises UserError if a package is missing: now, not when it is needed.

    Args:
        digits: whether scikit-learn's digits will be.
    """
    packages = {"matplotlib": "matplotlib", **({"sklearn": "scikit-learn"} if digits else {})}
    for name, package in packages.items():
        if find_spec(name) is None:
            raise UserError(f"{package} is missing; install it (pip install {package})")


def make_folder(path: Path) -> None:
    """Raises UserError if there is no folder ``path`` to write to and none can be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {path} cannot be made a folder ({error.strerror})")
    if not os.access(path, os.W_OK):
        raise UserError(f"--out {path} cannot be written to")


def run_all(tasks: List[Task], jobs: int) -> Iterator[Any]:
    """Pairs of a task and its result, as they are finished."""
    one_thread()
    if jobs == 1 or len(tasks) == 1:
        for task in tasks:
            yield task, run(task)
        return
    # spawned: a fork of a process that runs threads may hang
    context = get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, one_thread) as pool:
        # the long ones first, so that no process is left alone with one
        order = sorted(tasks, key=lambda task: (-task.layers, task.cell == "rnn"))
        futures = {pool.submit(run, task): task for task in order}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool:
            raise UserError("a process was killed, perhaps for want of memory; give fewer --jobs")
        finally:
            for future in futures:
                future.cancel()


def one_thread() -> None:
    """Small matrices gain nothing by threads; and sums come out alike on any machine's cores."""
    torch.set_num_threads(1)


def progress(result: Dict[str, Any]) -> str:
    most = max(result["points"], key=lambda p: (p["way"] == "retrained", p["sparsity"]))
    return (
        f"{result['cell']}, layers {result['layers']}, seed {result['seed']}: dense "
        f"{100 * result['dense']['test']:.1f}%, {most['way']} at {100 * most['sparsity']:g}% "
        f"{100 * most['test']:.1f}%"
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
