"""Sentences/s and memory of fairseq-generate: dense, sparse, int8 and auto.

Beam 5, translations as long as their sources. Each run is a process of its own, of the real
command, on the same checkpoint; dense is fairseq's own task without --prune-runtime. The first
batch warms up (``auto`` chooses in it); of the others the median counts.
"""

import statistics
import sys
import tempfile
import time

from .checkpoints import SUBSETS, make_data
from .process import call, held_kib

RUNTIMES = ("dense", "sparse", "int8", "auto")
BATCHES = {1: "few", 32: "many"}
OPTIONS = (
    "-s src -t tgt --dataset-impl raw --beam 5 --max-len-a 1 --max-len-b 0 --cpu "
    "--required-batch-size-multiple 1"
)
GOALS = {(216, 0.8, "sparse", 1): 2.5, (216, 0.9, "sparse", 1): 5.0}


def rows(args):
    plans = {216: (0, 0.8, 0.9, 0.95), 50: (0.9,), 10: (0.9,)}
    for million, sparsities in plans.items():
        with tempfile.TemporaryDirectory() as folder:
            make_data(folder, million)
            for sparsity in sparsities:
                checkpoint = call("checkpoints:make_checkpoint", folder, million, sparsity)
                for batch in BATCHES if million == 216 else (1,):
                    yield from compare(folder, checkpoint, million, sparsity, batch)


def compare(folder, checkpoint, million, sparsity, batch):
    found = {r: call("decoding:decode", folder, checkpoint, r, batch) for r in RUNTIMES}
    dense = found["dense"]
    what = f"{million} M, {100 * sparsity:g}%, batch {batch}"
    single = max(found[runtime]["rate"] for runtime in RUNTIMES[:3])
    for runtime in RUNTIMES[1:]:
        mine = found[runtime]
        goal = GOALS.get((million, sparsity, runtime, batch))
        if runtime == "auto":
            goal_text = f"best single {single / dense['rate']:.2f}, at least 0.9 of it"
        else:
            goal_text = f"at least {goal}" if goal else ""
        yield (
            f"decoding, {what}: {runtime}",
            f"{mine['rate']:.2f} sent/s",
            f"{dense['rate']:.2f} sent/s",
            f"{mine['rate'] / dense['rate']:.2f}",
            goal_text,
        )
    if batch == 1:
        for runtime in RUNTIMES[1:]:
            yield (
                f"peak memory, {what}: {runtime}",
                f"{found[runtime]['peak_mb']:.0f} MB",
                f"{dense['peak_mb']:.0f} MB",
                f"{found[runtime]['peak_mb'] / dense['peak_mb']:.2f}",
                "at most 0.5" if (sparsity, runtime) == (0.9, "sparse") and million == 216 else "",
            )


def decode(folder: str, checkpoint: str, runtime: str, batch: int) -> dict:
    """Sentences/s of fairseq-generate in this process, and the most memory it held."""
    from fairseq.sequence_generator import SequenceGenerator
    from fairseq_cli.generate import cli_main

    seconds, generate = [], SequenceGenerator.generate

    def timed(self, models, sample, **kwargs):
        started = time.perf_counter()
        result = generate(self, models, sample, **kwargs)
        seconds.append((time.perf_counter() - started) / len(result))
        return result

    SequenceGenerator.generate = timed
    task = (
        ["translation"]
        if runtime == "dense"
        else ["pruned_translation", "--prune-runtime", runtime]
    )
    sys.argv = ["fairseq-generate", folder, "--user-dir", "fairseq_prune", "--path", checkpoint]
    sys.argv += ["--task", *task, "--gen-subset", BATCHES[batch], "--batch-size", str(batch)]
    sys.argv += OPTIONS.split()
    cli_main()
    assert len(seconds) == SUBSETS[BATCHES[batch]] // batch, seconds
    return {"rate": 1 / statistics.median(seconds[1:]), "peak_mb": held_kib("VmHWM") / 1e3}
