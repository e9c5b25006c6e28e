"""The line that says what became of a model's matrices."""

import logging

import pytest
import torch
from matrices import sparse_matrix
from torch import nn

from fairseq_prune.engine.library import find_library
from fairseq_prune.runtime import summary as summary_of
from fairseq_prune.runtime.convert import convert_

engine_only = pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")


def said(caplog, runtime, sparsity, model=None):
    """Of a linear layer of 400 x 300 and a cell whose two matrices, 64 x 16, are one product."""
    model = model or nn.Sequential(nn.Linear(300, 400), nn.LSTMCell(16, 16))
    state = model.state_dict()
    for name, value in state.items():
        if value.dim() == 2:
            state[name] = sparse_matrix(*value.shape, sparsity)
    convert_(model, runtime)
    caplog.clear()
    with caplog.at_level(logging.INFO, "fairseq_prune"):
        model.load_state_dict(state)
    (record,) = caplog.records
    return model, record.getMessage(), record.levelname


@engine_only
def test_kinds_and_bytes(caplog, monkeypatch):
    monkeypatch.setattr(summary_of, "SMALL", 1000)
    for runtime, sparsity, kind in (("sparse", 0.9, "sparse"), ("int8", 0.3, "int8")):
        model, line, level = said(caplog, runtime, sparsity)
        assert level == "INFO" and f"--prune-runtime {runtime}: matrices: 3 {kind};" in line
        held = sum(module.products[names[0]].nbytes for module in model for names in module.groups)
        weights = 400 * 300 + 2 * 64 * 16
        assert f"{held / 1e6:.3g} MB of weights instead of {4 * weights / 1e6:.3g}" in line
        assert f", {4 * weights / held:.1f} times less" in line
        assert 3 < 4 * weights / held < 10


def test_a_warning_where_nothing_is_gained(caplog):
    _, line, level = said(caplog, "sparse", 0.2)
    assert level == "WARNING" and "matrices: 3 dense" in line and "no faster than dense" in line
    _, line, level = said(caplog, "sparse", 0.9)
    assert level == "WARNING" and "may be slower than dense" in line, "it is small"


def test_auto_has_yet_to_choose(caplog):
    model, line, level = said(caplog, "auto", 0.9, nn.Sequential(nn.Linear(30, 40)))
    assert level == "INFO" and "each of 1 matrices becomes what is fastest" in line
    model(torch.randn(2, 30))
    assert model[0].products["weight"].kind in ("dense", "sparse", "int8")
