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
    names = [(row.name, row.values) for row in rows]
    assert len(set(names)) == len(names) and names[0] == ("dense", "fp32")
    assert {name for name, _ in names} == {"dense", "80%", "90%", "95%"}
    dense = sum(rows[0].bleu) / 3
    table = PAGE.split(results_figure.HEAD)[1]
    lines = re.findall(r"^\| (?:dense|\d+%)(?:, int8)? \|.*", table, re.M)[: len(rows)]
    for row, line in zip(rows, lines):
        assert line.startswith(f"| {row.name}") and (row.values == "int8") == ("int8" in line)
        mean, difference = (cell.strip(" *") for cell in line.split("|")[5:7])
        assert float(mean) == pytest.approx(sum(row.bleu) / 3, abs=0.006), line
        assert float(difference or 0) == pytest.approx(sum(row.bleu) / 3 - dense, abs=0.006), line


def test_the_figure(tmp_path):
    results_figure.draw(results_figure.rows_of(PAGE), str(tmp_path / "figure"))
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    assert all(word in svg for word in ("dense", "80%", "90%", "fp32", "int8", "BLEU"))
