"""``scripts/rare_words.py``: shares of rows by how often their words are seen."""

import importlib.util
import math

import torch
from commands import REPO


def test_bands():
    spec = importlib.util.spec_from_file_location("rw", REPO / "scripts" / "rare_words.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    weight = torch.tensor([[1.0, 0, 2, 3], [0, 0, 0, 0], [-1, 0, 0, 0], [5, 5, 0, 0], [0, 0, 0, 0]])
    # counts at both ends of bands; none from 100 to 999
    found = script.left_by_band(weight, [1000, 99, 10, 9, 0])
    assert [(rows, empty) for rows, _, empty in found] == [(1, 0), (0, 0), (2, 1), (2, 1)]
    assert [share for _, share, _ in found if not math.isnan(share)] == [0.75, 0.125, 0.25]
    assert math.isnan(found[1][1])
