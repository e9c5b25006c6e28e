"""``fairseq-prune methods``: what it makes and says, beside the commands it names."""

import json
import math
import re
import shlex
import shutil
from pathlib import Path

import pytest
from commands import FORKED, run, state_of
from language_models import eval_lm
from plans import METHODS, config, methods

from fairseq_prune.checkpoints.weights import find_record
from fairseq_prune.pruning import unpack

pytest.importorskip("tensorly")


@pytest.fixture(scope="module")
def done(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    said = methods(folder, config(text), "--jobs", "2")
    rows = json.loads((folder / "out" / "methods.json").read_text())
    return folder, said, {row["method"]: row for row in rows}


@pytest.mark.parametrize("name", [m["name"] for m in METHODS])
def test_rows_are_what_stock_commands_say_of_the_files(text, done, name):
    folder, _, rows = done
    row = rows[name]
    packed = folder / "out" / re.sub(r"[^a-z0-9]+", "-", name).strip("-") / "model.packed"
    assert row["bytes"] == packed.stat().st_size
    more = ()
    if row["runtime"] != "dense":
        more = ("--task", "pruned_language_modeling", "--prune-runtime", row["runtime"])
    for subset in ("valid", "test"):
        assert row[subset] == pytest.approx(
            2 ** eval_lm(text, packed, *more, subset=subset), rel=2e-4
        )
    assert row["words_per_second_1"] > 0 and row["words_per_second_32"] > 0


def test_parameters_are_those_kept(done):
    folder, _, rows = done
    for name, row in rows.items():
        checkpoint = shlex.split(row["commands"][-1])[2]
        state = state_of(checkpoint)
        model = state["model"]
        count = sum(w.numel() for w in model.values())
        if "pruned" in name:
            zeros = sum(int((w == 0).sum()) for w in model.values())
            # the padding's row of the embedding is zero, and a part of it may be kept
            record = find_record(state)
            masks = (unpack(m, record["shapes"][n]) for n, m in record["masks"].items())
            gone = sum(int((~mask).sum()) for mask in masks)
            assert 0 <= zeros - gone <= 32
            count -= gone
        assert row["parameters"] == count, name
    dense = state_of(folder / "out" / "dense" / "checkpoint_best.pt")["model"]
    # a byte in the place of four, and a scale of two bytes a row
    saved = sum(3 * w.numel() - 2 * len(w) for w in dense.values() if w.dim() == 2)
    assert rows["dense"]["bytes"] - rows["int8"]["bytes"] == pytest.approx(saved, rel=0.03)


def test_commands_make_the_very_file(done, tmp_path):
    """What a row says was done, done by hand, ends in the same bytes of weights."""
    folder, _, rows = done
    out, name = str(folder / "out"), "low rank, pruned, retrained"
    prefix = shlex.join((*FORKED, "fairseq-train"))
    assert len(rows[name]["commands"]) == 5
    for command in rows[name]["commands"]:
        words = shlex.split(command.replace(prefix, "fairseq-train").replace(out, str(tmp_path)))
        for word in words:
            if word.startswith(str(tmp_path)):
                Path(word).parent.mkdir(exist_ok=True)
        run(*words)
    again = folder / "out" / "low-rank-pruned-retrained" / "model.packed"
    made = tmp_path / "low-rank-pruned-retrained" / "model.packed"
    states = []
    for path in (made, again):
        run("fairseq-prune", "unpack", path, tmp_path / "m.pt")
        states.append(state_of(tmp_path / "m.pt")["model"])
    assert all((states[0][n] == w).all() for n, w in states[1].items())


def test_table(done):
    folder, said, rows = done
    table = (folder / "out" / "methods.md").read_text()
    for name, row in rows.items():
        line = next(line for line in table.splitlines() if line.startswith(f"| {name} |"))
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1] == f"{row['parameters']:,}" and cells[2] == f"{row['bytes']:,}"
        assert cells[3] == f"{100 * row['bytes'] / rows['dense']['bytes']:.1f}%"
        assert cells[4] == f"{row['valid']:.2f}" and cells[5] == f"{row['test']:.2f}"
        assert math.isclose(float(cells[6].replace(",", "")), row["words_per_second_1"], abs_tol=1)
        for batch in (1, 32):
            rounds = row[f"words_per_second_{batch}_rounds"]
            assert row[f"words_per_second_{batch}"] == sorted(rounds)[1] and len(rounds) == 3
        assert name in said
    assert "[8/8]" in said


def test_again_makes_nothing_anew(text, done):
    folder, _, rows = done
    before = {p: p.stat().st_mtime_ns for p in (folder / "out").rglob("*.p*")}
    said = methods(folder, config(text))
    assert "8 of 8 were made before" in said
    assert before == {p: p.stat().st_mtime_ns for p in (folder / "out").rglob("*.p*")}
    again = json.loads((folder / "out" / "methods.json").read_text())
    assert [row["test"] for row in again] == [row["test"] for row in rows.values()]


def test_other_options_are_refused(text, done):
    folder, _, _ = done
    content = config(text)
    content["trainings"] = {**content["trainings"], "scratch": "--lr 4 --max-update 12"}
    said = methods(folder, content, ok=False)
    assert "holds dense made by other commands; remove it, or take another --out" in said


@pytest.mark.parametrize("event", ["update 3", "copy 1"])
def test_killed_and_gone_on_with(text, done, tmp_path, event):
    _, _, rows = done
    content = config(text, METHODS[:4])
    said = methods(tmp_path, content, ok=False, env={"KILL": event})
    assert "training failed" in said and "Traceback" not in said
    methods(tmp_path, content)
    found = json.loads((tmp_path / "out" / "methods.json").read_text())
    assert [r["test"] for r in found] == [rows[r["method"]]["test"] for r in found]
    assert len(found) == 4


def test_interrupted_by_hand(text, tmp_path):
    """SIGINT ends the training, and the same command goes on."""
    content = config(text, METHODS[:2])
    content["trainings"] = {**content["trainings"], "scratch": "--lr 5 --max-update 1000000"}
    said = methods(tmp_path, content, ok=False, prepare=("kill", "at", "interrupt", 2))
    assert f"interrupted; the same command goes on in {tmp_path / 'out'}" in said
    assert "Traceback" not in said and not (tmp_path / "out" / "methods.json").exists()


def test_a_method_that_fails_leaves_the_others(text, tmp_path):
    content = config(text, [METHODS[0], {**METHODS[4]}, METHODS[5], METHODS[1]])
    content["methods"][1]["factorize"] = "--factorization low-rank --lstm-rank 99"
    said = methods(tmp_path, content, ok=False)
    assert "low rank: decoder.lstm.weight_hh_l0: rank 99 is out of" in said
    assert "low rank; low rank, retrained: failed, or came of what failed" in said
    found = json.loads((tmp_path / "out" / "methods.json").read_text())
    assert [row["method"] for row in found] == ["dense", "int8"]


def test_models_of_another_beginning_are_refused(text, tmp_path):
    content = config(text, METHODS[:2])
    methods(tmp_path, content)
    shutil.rmtree(tmp_path / "out" / "dense")
    said = methods(tmp_path, content, ok=False)
    assert "int8 holds int8 made of another dense than is there now; remove it, too" in said
    shutil.rmtree(tmp_path / "out" / "int8")
    methods(tmp_path, content)
