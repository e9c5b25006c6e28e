"""``fairseq-prune methods``: what it refuses before anything is trained."""

import math

import pytest
from commands import PLUGIN, run
from plans import LOW_RANK, METHODS, OPTIONS, config, methods


def change(index, **keys):
    methods = [dict(m) for m in METHODS]
    methods[index].update(keys)
    return {"methods": methods}


@pytest.mark.parametrize(
    "changes, message",
    [
        (change(1, **{"from": "sparse"}), "int8: from: sparse is no method above it"),
        (change(0, train="never"), "dense: train: never is not among trainings"),
        (change(0, train=None), "it needs a model to begin with (from) or a training (train)"),
        (change(1, values="int4"), "values: int4: choose one of exact, fp16, int8"),
        (change(1, runtime="fast"), "runtime fast: choose one of dense"),
        (change(1, name="Dense"), "there is one of that name before it"),
        (change(5, factorize=LOW_RANK), "is factorized already; leave factorize out"),
        (change(1, colour="red"), "colour is unknown"),
        (change(1, name=None), "methods: each needs a name"),
        (change(1, name=".."), "its name needs a letter (a to z) or a digit"),
        (change(2, prune="--sparsity 1.5"), "pruned 70%: --sparsity 1.5 is outside [0, 1)"),
        (change(2, prune="--sparsity 0.7 --schedule gradual"), "--schedule is no option of prune"),
        (change(3, prune="--scheme class-blond --sparsity 0.5"), "--scheme class-blond"),
        (change(2, prune="--sparsity 0.5 --score fischer"), "--score fischer is unknown; choose"),
        (change(2, prune="--sparsity 0.5 --samples 9"), "--samples has no meaning with score"),
        (
            change(3, prune="--sparsity 0.5 --exclude (?i)a --exclude b"),
            "pruned 70%, retrained: --exclude '(?i)a' cannot be joined with other patterns",
        ),
        (change(0, prune="--sparsity 0.5"), "it prunes and has no model to begin with"),
        (change(4, factorize="--factorization svd --lstm-rank 2"), "--factorization svd: choose"),
        (
            change(4, factorize="--factorization low-rank"),
            "low rank: --factorization low-rank needs",
        ),
        ({"data": None}, "data is missing"),
        ({"data": "nowhere"}, "there is no folder nowhere"),
        ({"data": str(PLUGIN)}, "has no dict.txt; name a folder of binarised data"),
        ({"seconds": 0}, "seconds must be a number above 0"),
        ({"seconds": math.inf}, "seconds must be a number above 0"),
        ({"seed": 0}, "seed must be a whole number above 0"),
        ({"options": OPTIONS + " --seed 4"}, "--seed is set for you; leave it out"),
        ({"methods": []}, "methods must be a list"),
        (
            {
                "methods": [
                    *METHODS[:3],
                    {"name": "x", "from": "pruned 70%", "train": "retrain"},
                ]
            },
            "it trains a pruned model on and needs prune, which keeps its mask",
        ),
    ],
)
def test_mistakes(text, tmp_path, changes, message):
    said = methods(tmp_path, config(text, **changes), ok=False)
    assert message in said and "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("test, message", [(None, "has no test"), ("a b c\n", "of 4 words is too")])
def test_data_are_looked_at_before_anything_is_trained(tmp_path, test, message):
    splits = ("train", "valid", "test")[: 3 if test else 2]
    for split in splits:
        (tmp_path / f"{split}.txt").write_text(test or "a b c\n" * 40)
    prefs = [f"--{split}pref={tmp_path}/{split}.txt" for split in splits]
    run("fairseq-preprocess", "--only-source", *prefs, "--destdir", tmp_path / "bin")
    said = methods(tmp_path, config(tmp_path / "bin"), ok=False)
    assert message in said and "Traceback" not in said and not (tmp_path / "out").exists()
