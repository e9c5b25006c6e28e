"""The first table of docs/results.md: its arithmetic, and the figure that is made of it."""

import re
import sys

import pytest
from commands import REPO

sys.path.insert(0, str(REPO / "scripts"))

pytest.importorskip("matplotlib")

import results_figure  # noqa: E402

PAGE = results_figure.RESULTS.read_text(encoding="utf-8")


def test_means_and_differences_are_those_of_the_seeds():
    rows = results_figure.rows_of(PAGE)
    assert [row.name for row in rows][0] == "dense" and len(rows) >= 5
    assert {row.values for row in rows} == {"fp32", "int8"}
    for row in rows:
        name = row.name if row.values == "fp32" else f"{row.name}, int8"
        (line,) = re.findall(rf"^\| {name} \|.*", PAGE[PAGE.index("| | seed 1") :], re.M)[:1]
        mean = float(line.split("|")[5].strip(" *"))
        assert mean == pytest.approx(sum(row.bleu) / 3, abs=0.006), name


def test_the_figure(tmp_path):
    results_figure.draw(results_figure.rows_of(PAGE), str(tmp_path / "figure"))
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert all(word in svg for word in ("dense", "80%", "90%", "fp32", "int8", "BLEU"))
