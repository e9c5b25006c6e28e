"""Translating what is left of the shards, by one process or several."""

import contextlib
import os
import sys
from typing import Any, Callable, List, Optional, Sequence

import torch

from ..experiments.jobs import Job
from ..pruning import PruneError
from .decoder import Decoder
from .shards import Shard, Shards

#: Seconds between looks at other processes.
LOOK = 0.5


def translate_shards(
    decoder: Decoder, left: Sequence[Shard], shards: Shards, after: Callable[[], Any]
) -> None:
    """Translate and write each; call ``after`` each."""
    for shard in left:
        decoder.prefetch(shard.part, [n for batch in shard.batches for n in batch])
        translations = {}
        for batch in shard.batches:
            translations.update(decoder.translate(shard.part, batch))
        shards.write(shard.number, translations)
        after()


def translate_by_jobs(
    decoder: Decoder,
    left: List[Shard],
    shards: Shards,
    jobs: int,
    lock: int,
    tell: Callable[[], None],
    out: str,
    user_dir: Optional[str],
) -> None:
    """The same by ``jobs`` processes, of which this is one; all of them end with it.

    Args:
        left: in the order of their size: every ``jobs``-th is for one of them.
    Raises:
        PruneError: another process could not do its part, with what it said.
    """
    shares = [left[k::jobs] for k in range(jobs)]
    env, threads = dict(os.environ), torch.get_num_threads()
    if jobs > 1 and "OMP_NUM_THREADS" not in env:
        threads = max(1, (os.cpu_count() or 1) // jobs)
        env["OMP_NUM_THREADS"] = str(threads)
    with _threads(threads), contextlib.ExitStack() as stack:
        others = []
        for k, share in enumerate(shares[1:], 1):
            if not share:
                continue
            log = stack.enter_context(open(os.path.join(shards.folder, f"job{k}.log"), "w+b"))
            words = [out, ",".join(str(shard.number) for shard in share)]
            command = [sys.executable, "-m", "fairseq_prune.sequence.worker", *words]
            command += [user_dir] if user_dir else []
            job = stack.enter_context(Job(command, lock, stdout=log, stderr=log, env=env))
            others.append((job, log))

        def look(seconds: float = 0) -> bool:
            """Whether the other processes are still at work."""
            tell()
            ended = [job.wait(seconds) for job, _ in others]
            for status, (_, log) in zip(ended, others):
                if status:
                    raise PruneError(f"a process of --jobs {jobs} has ended: {_last_line(log)}")
            return None in ended

        translate_shards(decoder, shares[0], shards, look)
        while look(LOOK):
            pass


@contextlib.contextmanager
def _threads(count: int):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _last_line(log) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
