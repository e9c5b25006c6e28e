"""Gates and blocks of the cells that read digits."""

import numpy as np
import pytest
import torch
from digits import COLUMNS, cells, data, experiment, reader, task, train


def by_hand(cell, layer, weight, rows_of):
    """The output after one more step, from the equations and rows ``rows_of(gate, input)``."""
    x, h, c = torch.randn(3, 1, 128)
    x = x[:, :COLUMNS]
    bias_i, bias_h = layer.bias_ih_l0.detach(), layer.bias_hh_l0.detach()

    def z(gate, side):
        rows, value = rows_of(gate, side), x if side == "input" else h
        name, bias = ("ih", bias_i) if side == "input" else ("hh", bias_h)
        return value @ weight[f"rnn.weight_{name}_l0"][rows].T + bias[rows]

    both = {gate: z(gate, "input") + z(gate, "hidden") for gate in cells.GATES[cell]}
    if cell == "rnn":
        return torch.tanh(both["h"]), (x, h)
    if cell == "lstm":
        i, f, o = (torch.sigmoid(both[gate]) for gate in "ifo")
        c_next = f * c + i * torch.tanh(both["g"])
        return o * torch.tanh(c_next), (x, (h, c))
    r, update = torch.sigmoid(both["r"]), torch.sigmoid(both["z"])
    n = torch.tanh(z("n", "input") + r * z("n", "hidden"))
    return (1 - update) * n + update * h, (x, h)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_gates_are_where_torch_has_them(cell):
    model = reader(cell, 1)
    weight = {name: w.detach() for name, w in model.named_parameters() if "weight" in name}
    number = {name: torch.arange(len(w))[:, None].expand_as(w) for name, w in weight.items()}
    rows = {(b.gate, b.input): found[:, 0] for b, found in cells.blocks(cell, number).items()}
    wanted, (x, state) = by_hand(cell, model.rnn, weight, lambda *key: rows[key])
    state = tuple(s[None] for s in state) if cell == "lstm" else state[None]
    with torch.no_grad():
        assert torch.allclose(model.rnn(x[None], state)[0][0], wanted, atol=1e-6)


@pytest.mark.parametrize("cell, gates", [("rnn", "h"), ("lstm", "ifgo"), ("gru", "rzn")])
def test_blocks_by_counting_one_weight_at_a_time(folder, cell, gates):
    asked = task(folder, cell, layers=2, sparsities=(0.8,), retrain_sparsities=())
    point = experiment.run(asked)["points"][0]
    # the same network: prune it by one sort of everything
    torch.manual_seed(asked.seed)
    model = cells.Reader(cell, 2, COLUMNS)
    train.train(model, data.load(asked.mnist, 3), 1, 16, 3)
    matrices = [(n, w.detach().numpy()) for n, w in model.named_parameters() if w.dim() == 2]
    sizes = np.abs(np.concatenate([w.ravel() for _, w in matrices]))
    gone = set(np.argsort(sizes, kind="stable")[: round(0.8 * len(sizes))].tolist())
    counts, place = {}, 0
    for name, matrix in matrices:
        for row in range(matrix.shape[0]):
            for _ in range(matrix.shape[1]):
                if "rnn" in name:
                    side = "input" if "_ih_" in name else "hidden"
                    key = (int(name[-1]) + 1, gates[row // 128], side)
                    counts.setdefault(key, [0, 0])[place in gone] += 1
                place += 1
    found = {
        (b["layer"], b["gate"], b["input"]): [b["weights"] - b["pruned"], b["pruned"]]
        for b in point["blocks"]
    }
    assert found == counts and len(found) == 4 * len(gates)
