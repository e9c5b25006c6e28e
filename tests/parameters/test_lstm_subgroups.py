"""The eight subgroups of an LSTM layer (See et al. 2016, section 3.2)."""

import pytest
import torch

from fairseq_prune.parameters.weight_classes import lstm_subgroups


@pytest.mark.parametrize("gate", ["i", "f", "g", "o"])
def test_a_subgroup_opens_the_gate_it_is_named_for(gate):
    """Weights of 20 in one gate's rows: equations (2) to (4) with that gate at one."""
    lstm = torch.nn.LSTM(1, 1, bias=False)
    parameters = {f"decoder.{name}": p.data for name, p in lstm.named_parameters()}
    for name, weight in parameters.items():
        weight.zero_()
        groups = lstm_subgroups(name, tuple(weight.shape))
        which = "feed-forward" if "_ih" in name else "recurrent"
        assert set(groups) == {(g, which) for g in "ifgo"}
        if which == "feed-forward":
            weight[groups["g", which]] = 1.0
            weight[groups[gate, which]] = 20.0
    h, c = lstm(torch.ones(1, 1, 1), (torch.zeros(1, 1, 1), torch.full((1, 1, 1), 0.8)))[1]
    i, f, o = (1.0 if gate == name else 0.5 for name in "ifo")
    cell = f * 0.8 + i * torch.tanh(torch.tensor(20.0 if gate == "g" else 1.0))
    assert c.item() == pytest.approx(float(cell), rel=1e-5)
    assert h.item() == pytest.approx(o * float(torch.tanh(cell)), rel=1e-5)


def test_subgroups_part_the_rows_of_a_layer():
    for name, which in (
        ("encoder.lstm.weight_ih_l3", "feed-forward"),
        ("encoder.lstm.weight_hh_l0_reverse", "recurrent"),
        ("decoder.layers.0.weight_hh", "recurrent"),
    ):
        groups = lstm_subgroups(name, (12, 7))
        rows = sorted(row for s in groups.values() for row in range(12)[s])
        assert rows == list(range(12)) and {w for _, w in groups} == {which}


@pytest.mark.parametrize(
    "name, shape",
    [
        ("encoder.embed_tokens.weight", (12, 8)),
        ("encoder.lstm.bias_ih_l0", (12,)),
        ("decoder.weight_ih_norm", (12, 8)),
        ("decoder.layers.0.weight_ih", (13, 8)),
    ],
)
def test_other_parameters_have_no_subgroups(name, shape):
    assert lstm_subgroups(name, shape) is None
