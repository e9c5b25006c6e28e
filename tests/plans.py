"""Methods of compressing a small language model, made by the real command."""

import shlex

import yaml
from commands import FORKED, PLUGIN, run, server

OPTIONS = f"""
    --user-dir {PLUGIN} --task pruned_language_modeling --tokens-per-sample 12 --batch-size 4
    --cpu --num-workers 0 --clip-norm 0.25 --optimizer pruned_sgd --no-epoch-checkpoints
    --arch pruned_lstm_lm_tiny --log-interval 1
"""
LOW_RANK = "--factorization low-rank --lstm-rank 6 --softmax-rank 5"
METHODS = [
    {"name": "dense", "train": "scratch"},
    {"name": "int8", "from": "dense", "values": "int8", "runtime": "int8"},
    {
        "name": "pruned 70%",
        "from": "dense",
        "prune": "--sparsity 0.7 --score=fisher --samples 64",
        "runtime": "sparse",
    },
    {
        "name": "pruned 70%, retrained",
        "from": "dense",
        "prune": "--sparsity 0.7 --exclude embedding --exclude softmax",
        "train": "retrain",
    },
    {"name": "low rank", "from": "dense", "factorize": LOW_RANK},
    {"name": "low rank, retrained", "from": "low rank", "train": "retrain"},
    {
        "name": "low rank, pruned, retrained",
        "from": "low rank, retrained",
        "prune": "--sparsity 0.5",
        "train": "retrain",
        "values": "fp16",
    },
    {
        "name": "tensor train from scratch",
        "factorize": "--factorization tensor-train --lstm-rank 6 --softmax-rank 5",
        "train": "scratch",
    },
]


def config(text, methods=METHODS, **changes):
    return {
        "data": str(text),
        "seconds": 0.05,
        "command": shlex.join((*FORKED, "fairseq-train")),
        "options": OPTIONS,
        "trainings": {"scratch": "--lr 5 --max-update 12", "retrain": "--lr 1 --max-update 6"},
        "methods": methods,
        **changes,
    }


def methods(folder, content, *more, **kwargs):
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(content))
    env = {"FORK_SERVER": server(), **kwargs.pop("env", {})}
    return run("fairseq-prune", "methods", path, "--out", folder / "out", *more, env=env, **kwargs)
