"""Texts of a file that would be markup in a page, or commands to a terminal."""

import re
from pathlib import Path

import pytest
import torch
from commands import PLUGIN, run, state_of

from fairseq_prune.analysis.html import document, element, table
from fairseq_prune.experiments.methods.score import BATCHES
from fairseq_prune.experiments.methods.table import as_markdown
from fairseq_prune.experiments.page import page
from fairseq_prune.pruning import PruneError, printable

EVIL = "<script>alert(1)</script>\x1b[2J\nwrote ok\u202e$x^{"


def harmless(text, lines=True):
    """No terminal obeys it, and it begins no line of its own."""
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert not re.search(r"^\s*wrote ok", text, re.MULTILINE)
    return text


@pytest.fixture
def forged(retrained, tmp_path):
    """A pruned checkpoint, the scheme and a weight of which have such names."""
    state = state_of(retrained[0] / "checkpoint_best.pt")
    record = state["last_optimizer_state"]["prune"]
    record["scheme"] = EVIL
    name = f"{EVIL}.weight"
    state["model"] = dict(state["model"])
    state["model"][name] = torch.ones(8, 8)
    record["masks"][name] = torch.full((8,), 255, dtype=torch.uint8)
    record["shapes"][name] = [8, 8]
    torch.save(state, str(tmp_path / "forged.pt"))
    return tmp_path / "forged.pt"


def test_what_is_printed_of_a_file(forged, tmp_path):
    shown = printable(EVIL)
    for path in (forged, tmp_path / "forged.packed"):
        said = harmless(run("fairseq-prune", "inspect", path))
        assert f"recorded, {shown} to 0.8" in said
        assert re.search(rf"^{re.escape(shown)} +64 ", said, re.MULTILINE)
        if path == forged:
            harmless(run("fairseq-prune", "pack", forged, tmp_path / "forged.packed"))
    harmless(run("fairseq-prune", "inspect", forged, "--json"))
    state = state_of(forged)
    del state["model"][f"{EVIL}.weight"]
    torch.save(state, str(tmp_path / "without.pt"))
    said = harmless(run("fairseq-prune", "inspect", tmp_path / "without.pt", ok=1))
    assert f"the mask names {shown}.weight, which the model does not have" in said


def test_what_the_report_shows_of_a_file(forged, tmp_path):
    pytest.importorskip("matplotlib")
    harmless(run("fairseq-prune", "report", forged, "--out", tmp_path / "out"))
    for written in ("report.html", "densities.svg", "remaining.svg", "distributions.svg"):
        text = harmless((tmp_path / "out" / written).read_text(encoding="utf-8"))
        assert "<script" not in text and "&lt;script&gt;alert(1)" in text


def test_errors_are_one_line_without_controls():
    assert str(PruneError(f"x: {EVIL}\x9b\ud800")) == f"x: {printable(EVIL)}\ufffd"
    assert str(PruneError("größe, 層, ‘x’, क्‍ष")) == "größe, 層, ‘x’, क्‍ष"


def test_nothing_is_printed_by_another_way():
    for path in Path(PLUGIN).rglob("*.py"):
        if path.name != "say.py":
            assert not re.search(r"(?<!\w)print\(", path.read_text(encoding="utf-8")), path


def test_pages_escape_whatever_is_no_element():
    found = document(EVIL, [EVIL, element("p", EVIL, title=EVIL + "'"), table([EVIL], [[EVIL]])])
    assert "<script" not in harmless(found) and found.count("&lt;script") == 7
    assert "'" not in re.search("title='(.*?)'>", found)[1]


def test_the_pages_of_experiments():
    spread = {"mean": 1.0, "deviation": None}
    row = {
        "kind": "pruned", "scheme": EVIL, "sparsity": 0.5, "seeds": 1, "kept": 1, "weights": 2,
        "bytes": {"dense": 8, "csr": 8, "packed": 8, "bound": 8}, "bleu": spread,
        "perplexity": spread,
    }  # fmt: skip
    about = {"data": EVIL, "signature": EVIL, "versions": {EVIL: EVIL}}
    assert "<script" not in harmless(page([row], about, "", []))
    speeds = {f"words_per_second_{batch}": 1.0 for batch in BATCHES}
    rounds = {f"words_per_second_{batch}_rounds": [1.0] for batch in BATCHES}
    method = {
        "method": f"{EVIL} | [x](y) `z`", "parameters": 1, "bytes": 1, "valid": 1.0, "test": 1.0,
        "runtime": "dense", "threads": 1, **speeds, **rounds,
    }  # fmt: skip
    text = harmless(as_markdown([method]))
    assert "<script" not in text and r"\| \[x\](y) \`z\`" in text
