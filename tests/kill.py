"""Ends a process with a signal at a chosen point (``prepare`` of ``commands.run``)."""

import io
import json
import os
import shutil
import signal
import time

import torch


def at(event, count, how=signal.SIGKILL):
    """Kill this process at the ``count``-th time of something.

    "update": after so many updates, before what follows them. "halt": there, it does not end
    but stands still, and says its process id in the file ``how``. "write": with half a checkpoint
    written. "copy": with half a checkpoint copied. "round": before iterate notes, for
    that many times, how many rounds are done (first: none). "result": with half the line of a
    grid's result written. "interrupt": by SIGINT, at a grid's look at a running training.
    "known": before compress notes what it has found, for that many times. "calibration": at so many
    batches that a score has looked at, in all prunings. "shard": before distill writes so many
    shards.
    """
    left = int(count)

    def last():
        nonlocal left
        left -= 1
        return left == 0

    def die():
        os.kill(os.getpid(), int(how))

    def halt():
        with open(f"{how}.new", "w") as f:
            f.write(str(os.getpid()))
        os.rename(f"{how}.new", how)
        while True:
            time.sleep(60)

    if event in ("update", "halt"):
        from fairseq.trainer import Trainer

        step = Trainer.train_step

        def train_step(self, *args, **kwargs):
            result = step(self, *args, **kwargs)
            if last():
                halt() if event == "halt" else die()
            return result

        Trainer.train_step = train_step
    elif event == "write":
        save = torch.save

        def half_save(obj, f, *args, **kwargs):
            if not last():
                return save(obj, f, *args, **kwargs)
            whole = io.BytesIO()
            save(obj, whole, *args, **kwargs)
            f.write(whole.getvalue()[: len(whole.getvalue()) // 2])
            f.flush()
            die()

        torch.save = half_save
    elif event == "copy":
        copy = shutil.copyfileobj

        def half_copy(source, target, *args):
            if not last():
                return copy(source, target, *args)
            target.write(source.read(os.path.getsize(source.name) // 2))
            target.flush()
            die()

        shutil.copyfileobj = half_copy
    elif event == "round":
        from fairseq_prune.experiments.rounds_folder import RoundsFolder

        finish = RoundsFolder.finish

        def finish_unless_last(self, r):
            if last():
                die()
            finish(self, r)

        RoundsFolder.finish = finish_unless_last
    elif event == "known":
        from fairseq_prune.experiments.compress.folder import Folder

        write = Folder._write

        def write_unless_last(self):
            if last():
                die()
            write(self)

        Folder._write = write_unless_last
    elif event == "result":
        from fairseq_prune.experiments import results

        dumps = json.dumps

        class HalfJson:
            loads = json.loads

            @staticmethod
            def dumps(record):
                return Half(dumps(record)) if last() else dumps(record)

        class Half(str):
            def __add__(self, newline):
                with open(path[0], "a") as f:
                    f.write(self[: len(self) // 2])
                die()

        path = []
        add = results.Results.add

        def remember(self, *args):
            path[:] = [self.path]
            return add(self, *args)

        results.Results.add = remember
        results.json = HalfJson
    elif event == "calibration":
        from fairseq_prune.pruning import Statistic

        add = Statistic.add

        def add_unless_last(self, gradients):
            if last():
                die()
            add(self, gradients)

        Statistic.add = add_unless_last
    elif event == "shard":
        from fairseq_prune.sequence.shards import Shards

        write_shard = Shards.write

        def write_unless_last(self, *args):
            if last():
                die()
            write_shard(self, *args)

        Shards.write = write_unless_last
    elif event == "interrupt":
        from fairseq_prune.experiments.training import Training

        tell = Training._tell

        def interrupt(self, *args):
            if last():
                os.kill(os.getpid(), signal.SIGINT)
            return tell(self, *args)

        Training._tell = interrupt
    else:
        raise ValueError(event)
