"""An ``nn.LSTM`` that can also be run a time step at a time."""

from typing import Tuple

import torch
from torch import Tensor, nn

#: h and c.
State = Tuple[Tensor, Tensor]


class SteppedLSTM(nn.LSTM):
    """The same parameters and names; ``cell`` is one layer at one time step."""

    def cell(self, layer: int, x: Tensor, state: State) -> State:
        """h and c (B, H) of ``layer`` after reading ``x`` (B, I) in ``state`` (h, c)."""
        return torch.lstm_cell(x, state, *self.all_weights[layer])


def lstm_step(gates: Tensor, c: Tensor) -> State:
    """h and c (B, H) of an LSTM from its gates i, f, g, o before their nonlinearities (B, 4H)."""
    i, f, g, o = gates.chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def run_steps(lstm, x: Tensor, state: State) -> Tuple[Tensor, State]:
    """Output (T, B, H) and (h, c) of an LSTM that has ``cell`` and ``num_layers``, step by step."""
    h, c = (list(part.unbind(0)) for part in state)
    outputs = []
    for step in x.unbind(0):
        for layer in range(lstm.num_layers):
            h[layer], c[layer] = lstm.cell(layer, step, (h[layer], c[layer]))
            step = h[layer]
        outputs.append(step)
    return torch.stack(outputs), (torch.stack(h), torch.stack(c))
