"""Sentences/s and memory of fairseq-generate: dense, sparse, int8 and auto.

Beam 5, translations of ``WORDS`` words. Each run is a process of its own, of the real
command, on the same checkpoint; dense is fairseq's own task without --prune-runtime. The first
sentence, or batch, warms up, and the median of the others counts.
"""

import statistics
import sys
import time

from .checkpoints import SUBSETS, folder_of, stored
from .process import call, held_kib

#: Of each translation.
WORDS = 20
RUNTIMES = ("dense", "sparse", "int8", "auto")
OPTIONS = (
    "-s src -t tgt --dataset-impl raw --beam 5 --cpu --required-batch-size-multiple 1 "
    f"--min-len {WORDS} --max-len-a 0 --max-len-b {WORDS}"
)
GOALS = {(216, 0.8, "sparse", 1): 2.5, (216, 0.9, "sparse", 1): 5.0}


def rows(args):
    for million, sparsities in {216: (0, 0.8, 0.9, 0.95), 50: (0.9,), 10: (0.9,)}.items():
        for sparsity in sparsities:
            found = {runtime: decoded(million, sparsity, runtime) for runtime in RUNTIMES}
            for batch in (1, 32) if million == 216 else (1,):
                rates = {runtime: rate_of[str(batch)] for runtime, rate_of in found.items()}
                yield from speeds(rates, million, sparsity, batch)
            yield from memory({r: f["peak_mb"] for r, f in found.items()}, million, sparsity)


def speeds(rates, million, sparsity, batch):
    what = f"{million} M, {100 * sparsity:g}%, batch {batch}"
    dense = rates["dense"]
    best = max(rates[runtime] for runtime in RUNTIMES[:3]) / dense
    for runtime in RUNTIMES[1:]:
        goal = GOALS.get((million, sparsity, runtime, batch))
        if runtime == "auto":
            goal = f"{0.9 * best:.2f} (0.9 of the best single)"
        mine = rates[runtime]
        ratio = f"{mine / dense:.2f}"
        goal = f"at least {goal}" if goal else ""
        what_of = f"decoding, {what}: {runtime}"
        yield what_of, f"{mine:.2f} sent/s", f"{dense:.2f} sent/s", ratio, goal


def memory(peaks, million, sparsity):
    for runtime in RUNTIMES[1:]:
        mine, dense = peaks[runtime], peaks["dense"]
        goal = "at most 0.5" if (million, sparsity, runtime) == (216, 0.9, "sparse") else ""
        what = f"peak memory, {million} M, {100 * sparsity:g}%, batch 1: {runtime}"
        yield what, f"{mine:.0f} MB", f"{dense:.0f} MB", f"{mine / dense:.2f}", goal


def decoded(million, sparsity, runtime):
    checkpoint = stored(million, sparsity)
    batches = (1, 32) if million == 216 else (1,)
    return call("decoding:decode", folder_of(million), checkpoint, runtime, batches)


def decode(folder: str, checkpoint: str, runtime: str, batches) -> dict:
    """Sentences/s of fairseq-generate by batch size, and the most memory it held at the first."""
    from fairseq.sequence_generator import SequenceGenerator
    from fairseq_cli.generate import cli_main

    seconds, generate = [], SequenceGenerator.generate

    def timed(self, models, sample, **kwargs):
        started = time.perf_counter()
        result = generate(self, models, sample, **kwargs)
        seconds.append((time.perf_counter() - started) / len(result))
        return result

    SequenceGenerator.generate = timed
    task = ["pruned_translation", "--prune-runtime", runtime]
    if runtime == "dense":
        task = ["translation"]
    found = {}
    for batch in batches:
        subset = "few" if batch == 1 else "twice"
        sys.argv = ["fairseq-generate", folder, "--user-dir", "fairseq_prune", "--path", checkpoint]
        sys.argv += ["--task", *task, "--gen-subset", subset, "--batch-size", str(batch)]
        sys.argv += OPTIONS.split()
        seconds.clear()
        cli_main()
        assert len(seconds) == SUBSETS[subset] // batch, seconds
        found[batch] = 1 / statistics.median(seconds[1:])
        found.setdefault("peak_mb", held_kib("VmHWM") / 1e3)
    return found
