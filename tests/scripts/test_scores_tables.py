"""scripts/scores_tables.py: perplexity over that of each seed's dense model."""

import json
import re
import subprocess
import sys

import pytest
from commands import REPO, run

pytest.importorskip("matplotlib")


def record(seed, kind, perplexity, sparsity=0.0, **more):
    return {
        "seed": seed, "kind": kind, "scheme": "class-blind" if kind == "pruned" else None,
        "sparsity": sparsity, "weights": 10, "kept": 5, "bytes": {}, "bleu": None,
        "perplexity": perplexity, "evaluate": {"valid": "dev"}, **more,
    }  # fmt: skip


def test_it(tmp_path):
    records = [
        record(1, "dense", 4.0), record(2, "dense", 5.0),
        record(1, "pruned", 8.0, 0.8, score="kron", steps=16),
        record(1, "pruned", 6.0, 0.8, score="magnitude"),
        record(1, "pruned", 16.0, 0.9, score="kron"),
        record(1, "pruned", 12.0, 0.8, score="kron"), record(2, "pruned", 5.0, 0.8, score="kron"),
        record(1, "pruned", 20.0, 0.8, score="kron", row_floor=0.0),
        record(1, "pruned", 8e3, 0.8, score="obs"), record(2, "pruned", 5e3, 0.8, score="obs"),
        record(1, "pruned", 3e8, 0.9, score="obs"),
    ]  # fmt: skip
    for seed, name in ((1, "one"), (2, "two")):
        lines = [json.dumps(r) + "\n" for r in records if r["seed"] == seed]
        (tmp_path / name).write_text("".join(lines))
    said = run(
        sys.executable, REPO / "scripts" / "scores_tables.py", tmp_path / "one", tmp_path / "two",
        "--figure", tmp_path / "figure",
    )  # fmt: skip
    # 3 and 1 times the dense models: mean 2, deviation sqrt(2)
    assert [re.split("  +", line.strip()) for line in said.strip().split("\n")] == [
        ["class-blind", "80%", "90%"],
        ["kron", "2.00 ± 1.4", "4.00"],
        ["kron, row floor 0", "5.00"],
        ["kron, in 16 steps", "2.00"],
        ["magnitude", "1.50"],
        ["obs", "1,500 ± 710", "7.5e+07"],  # 2,000 and 1,000
    ]
    assert (tmp_path / "figure.png").stat().st_size > 1000
    # texts of an SVG are texts
    drawn = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert "by kron, in 16 steps" in drawn and "row floor" not in drawn


def test_two_dense_models_of_a_seed_are_told_apart(tmp_path):
    lines = [json.dumps(record(1, "dense", 4.0)), json.dumps(record(1, "dense", 5.0))]
    (tmp_path / "two").write_text("\n".join(lines))
    command = [sys.executable, str(REPO / "scripts" / "scores_tables.py"), str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True)
    said = "there are two dense models of seed 1 among the results; give one grid's"
    assert (done.returncode, done.stderr.strip()) == (1, f"scores_tables: error: {said}")


@pytest.mark.parametrize(
    "number, said",
    [
        (1.495, "1.50"), (9.996, "10.0"), (99.96, "100"), (999.4, "999"), (999.7, "1,000"),
        (99999.6, "100,000"), (999999.7, "1e+06"),
    ],
)  # fmt: skip
def test_digits_of_a_table(number, said):
    sys.path.insert(0, str(REPO / "scripts"))
    import scores_tables

    assert scores_tables._said(number) == said


@pytest.mark.parametrize("number, said", [(0.0123, "0.012"), (99.6, "100"), (1234.0, "1,200")])
def test_digits_of_a_deviation(number, said):
    sys.path.insert(0, str(REPO / "scripts"))
    import scores_tables

    assert scores_tables._two_digits(number) == said
