"""Grids of a small corpus, run by the real command, and their results."""

import json

import yaml
from commands import FORKED, PLUGIN, run, server
from undrawn import UNDRAWN

ALL = f"""
    --user-dir {PLUGIN} --arch pruned_lstm_nmt_tiny --init-range 0.5 --max-tokens 400 --cpu
    --required-batch-size-multiple 1 --num-workers 0 --clip-norm 5 --log-interval 1
    --no-epoch-checkpoints --lr 0.02
"""
PRUNED = "--task pruned_translation --optimizer pruned_adam"
MODULE = ("python", "-m", "fairseq_prune.cli.main")
POINT = ("seed", "kind", "scheme", "sparsity")
GENERATE = "--beam 2 --batch-size 7 --max-len-b 15"


def config(data, **changes):
    return {
        "data": str(data),
        "seeds": [1, 2],
        "train": {
            "command": " ".join([*FORKED, "fairseq-train"]),
            "all": ALL,
            "dense": "--task translation --optimizer adam --max-epoch 5",
            "retrained": f"{PRUNED} --max-epoch 2",
            "from-start": f"{PRUNED} --max-epoch 5",
            "iterative": f"{PRUNED} --max-epoch 1",
        },
        "iterate": "--rounds 2",
        "evaluate": {"generate": GENERATE},
        "points": [
            {
                "kinds": ["pruned"],
                "schemes": ["class-blind", "class-uniform", "class-distribution"],
                "sparsities": [0.3, 0.7],
            },
            {"kinds": ["retrained"], "schemes": ["class-blind"], "sparsities": [0.7]},
        ],
        **changes,
    }


def grid(
    folder, content, *options, name="out", command=("fairseq-prune",), prepare=UNDRAWN, **kwargs
):
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(content))
    env = {"FORK_SERVER": server(), **kwargs.pop("env", {})}
    words = (*command, "grid", path, "--out", folder / name, *options)
    return run(*words, env=env, prepare=prepare, **kwargs)


def records(folder, name="out"):
    with open(folder / name / "results.jsonl", encoding="utf-8") as f:
        found = [json.loads(line) for line in f]
    return {tuple(r[k] for k in POINT): r for r in found}


def same(a, b):
    """Whether two records are of the same result, their times apart."""
    return {**a, "seconds": 0} == {**b, "seconds": 0}
