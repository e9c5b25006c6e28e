"""``examples/rnn_digits``: the real command, and what it shows."""

import ast
import contextlib
import importlib.util
import io
import json
import sys

import pytest
import torch
from commands import python
from digits import COLUMNS, EXAMPLE, experiment, positive_zeros, prune_digits, reader, task

#: prunable weights: rows of the matrices (gates x 128) x (inputs + 128), and the output layer
WEIGHTS = {cell: gates * 128 * (COLUMNS + 128) + 1280 for cell, gates in (("rnn", 1), ("gru", 3))}


@pytest.fixture(scope="module")
def ran(folder, tmp_path_factory):
    """The command's results by cell, all of results.json, the folder it wrote, what it said."""
    pytest.importorskip("matplotlib")
    out = tmp_path_factory.mktemp("out") / "made" / "here"
    argv = f"""
        prune_digits.py --out {out} --mnist {folder} --cells gru rnn --layers 1 --seeds 3 --epochs 1
        --retrain-epochs 1 --batch 16 --sparsities 0.333 --retrain-sparsities 0.95 0.6 --jobs 1
    """
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as said:
        patch.setattr(sys, "argv", argv.split())
        patch.syspath_prepend(str(EXAMPLE))
        prune_digits.main()
    torch.set_num_threads(threads)
    results = json.loads((out / "results.json").read_text())
    return {run["cell"]: run for run in results["runs"]}, results, out, said.getvalue()


def test_counts_are_exact(ran):
    runs, results, _, _ = ran
    assert list(runs) == ["rnn", "gru"] and results["options"]["sparsities"] == [0.333, 0.6, 0.95]
    for cell, run in runs.items():
        found = [(p["way"], p["sparsity"], p["pruned"]) for p in run["points"]]
        n = WEIGHTS[cell]
        assert found == [
            (way, x, round(x * n))
            for way, points in (("pruned", (0.333, 0.6, 0.95)), ("retrained", (0.6, 0.95)))
            for x in points
        ]
        for point in run["points"]:
            assert point["weights"] == n == sum(c["weights"] for c in point["classes"].values())
            assert list(point["classes"]) == ["layer 1", "output"]
            of_layer = sum(block["pruned"] for block in point["blocks"])
            assert of_layer == point["classes"]["layer 1"]["pruned"]


def test_the_same_numbers_again(ran, folder):
    runs, _, _, _ = ran
    for cell in runs:
        again = experiment.run(task(folder, cell, sparsities=(0.333, 0.6, 0.95)))
        assert json.loads(json.dumps(again)) == runs[cell]
    other = experiment.run(task(folder, "rnn", seed=4, sparsities=(0.333, 0.6, 0.95)))
    assert other["points"] != runs["rnn"]["points"]


def test_what_is_written_and_printed(ran):
    _, results, out, said = ran
    assert sorted(path.name for path in out.iterdir()) == [
        "blocks.png", "curves.png", "results.json", "results.md",
    ]  # fmt: skip
    tables = (out / "results.md").read_text(encoding="utf-8")
    assert said == tables + "\n"
    verdicts = {claim["number"]: claim["verdict"] for claim in results["claims"]}
    assert verdicts["4"] == verdicts["6b"] == "not tested"  # one layer; no LSTM
    assert set(verdicts) == {"1", "2", "3", "4", "5", "6a", "6b"}
    for run in results["runs"]:
        name = {"rnn": "RNN", "gru": "GRU"}[run["cell"]]
        accuracies = [100 * x["test"] for x in run["points"] if x["way"] == "pruned"]
        row = [f"{100 * run['dense']['test']:.1f}", *(f"{x:.1f}" for x in accuracies)]
        row = [f"{name}, 1 layer", f"{WEIGHTS[run['cell']]:,}", *row]
        assert f"| {' | '.join(row)} |" in tables


def test_the_command_in_processes(folder, tmp_path):
    """On the digits; on MNIST's files where there is no scikit-learn."""
    pytest.importorskip("matplotlib")
    digits = importlib.util.find_spec("sklearn") is not None
    said = python(
        EXAMPLE / "prune_digits.py", "--out", tmp_path, *(() if digits else ("--mnist", folder)),
        "--cells", "rnn", "--layers", 1, "--seeds", 1, 2, "--epochs", 2, "--retrain-epochs", 1,
        "--batch", 16, "--sparsities", 0.5, "--retrain-sparsities", 0.5, "--jobs", 2,
    )  # fmt: skip
    assert "2 of 2, " in said and "## Claims" in said and "DEBUG" not in said
    first, second = json.loads((tmp_path / "results.json").read_text())["runs"]
    for number, run in enumerate((first, second), start=1):
        n = 128 * ((8 if digits else COLUMNS) + 128) + 1280
        assert [point["pruned"] for point in run["points"]] == 2 * [n // 2]
        if digits:
            assert run["images"] == {"train": 1079, "validation": 359, "test": 359}
            assert run["dense"]["test"] > 0.5  # chance is 0.1
        again = task(None if digits else folder, seed=number, epochs=2, sparsities=(0.5,))
        assert run == json.loads(
            json.dumps(experiment.run(again._replace(retrain_sparsities=(0.5,))))
        )


def test_of_this_project_it_imports_the_method_alone():
    siblings = {path.stem for path in EXAMPLE.glob("*.py")}
    found = set()
    for path in EXAMPLE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                found.add(node.module)
    standard = getattr(sys, "stdlib_module_names", None)  # from Python 3.10 on
    others = {name for name in found if name.split(".")[0] not in siblings}
    if standard:
        others = {name for name in others if name.split(".")[0] not in standard}
    ours = {name for name in others if name.startswith("fairseq")}
    assert ours == {"fairseq_prune.pruning"}
    if standard:
        roots = {name.split(".")[0] for name in others - ours}
        assert roots == {"torch", "numpy", "sklearn", "matplotlib"}


def test_the_readme_shows_code_that_runs(split):
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    (code,) = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    model = reader("gru", 1)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=0.001)

    def updates():
        for _ in range(3):
            optimizer.zero_grad()
            model(split.train.images).square().sum().backward()
            yield

    names = {"model": model, "optimizer": optimizer, "gradients": updates()}
    exec(code, names)
    total = 3 * 128 * (COLUMNS + 128) + 1280
    zeros = sum(int(positive_zeros(w).sum()) for w in model.parameters() if w.dim() == 2)
    assert zeros == round(0.95 * total)
