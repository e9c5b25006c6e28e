"""Training words/s of pruned_lstm_nmt against fairseq's lstm of the same size, and with freed
memory kept (experiments/allocation.py) against malloc's usual ways."""

import os
import time

from fairseq_prune.experiments.allocation import keep_freed_memory

from . import models, process

#: How many are timed together, in a process of its own.
STEPS = 10


def rows(args):
    task = models.FakeTask()
    sample, criterion = models.batch(task), models.criterion(task)
    for size in (256, 512):
        built = [
            models.ours(task, size, 2, input_feed=False),
            models.ours(task, size, 2, input_feed=True),
            models.stock_lstm(task, size, 2),
        ]
        steps = []
        for model in built:
            model.train()
            optimizer = models.optimizer("pruned_sgd", model)
            steps.append(lambda m=model, o=optimizer: models.step(m, o, criterion, sample))
        plain, feeding, stock = models.in_turn(steps, rounds=5)
        words = sample["ntokens"]
        for what, ours, goal in (
            ("no input feeding", plain, "at least 1.2"),
            ("input feeding", feeding, "at least 1.0"),
        ):
            yield (
                f"training, 2 x {size}, {what}",
                f"{words / models.median(ours):,.0f} w/s",
                f"{words / models.median(stock):,.0f} w/s",
                f"{models.median(s / o for s, o in zip(stock, ours)):.2f}",
                goal,
            )
    for size in (256, 512):
        usual = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
        both = (keep_freed_memory(usual), usual)
        pairs = [
            [process.call("training:seconds_a_step", size, env=env) for env in both]
            for _ in range(3)
        ]
        ours, theirs = (models.median(times) for times in zip(*pairs))
        yield (
            f"training, 2 x {size}, freed memory kept",
            f"{words / ours:,.0f} w/s",
            f"{words / theirs:,.0f} w/s",
            f"{models.median(b / a for a, b in pairs):.2f}",
            "above 1",
        )


def seconds_a_step(size: int) -> float:
    """Mean over STEPS, after one."""
    task = models.FakeTask()
    sample, criterion = models.batch(task), models.criterion(task)
    model = models.ours(task, size, 2, input_feed=False).train()
    optimizer = models.optimizer("pruned_adam", model)
    models.step(model, optimizer, criterion, sample)
    started = time.perf_counter()
    for _ in range(STEPS):
        models.step(model, optimizer, criterion, sample)
    return (time.perf_counter() - started) / STEPS
