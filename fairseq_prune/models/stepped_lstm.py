"""An ``nn.LSTM`` that can also be run a time step at a time."""

from typing import Dict, Optional, Tuple

import torch
from torch import Tensor, nn

#: h and c.
State = Tuple[Tensor, Tensor]

#: What fairseq keeps between time steps, by module and name.
IncrementalState = Dict[str, Dict[str, Optional[Tensor]]]


def known(part: Optional[Tensor]) -> Tensor:
    """``part``, which is there: TorchScript must be told."""
    assert part is not None
    return part


class SteppedLSTM(nn.LSTM):
    """The same parameters and names; ``cell`` is one layer at one time step.

    For inputs (T, B, I) and states (h, c), in one direction. Unlike ``nn.LSTM``, whose overloads
    are not inherited, it can be scripted.
    """

    def forward(self, x: Tensor, state: State) -> Tuple[Tensor, State]:
        """As ``nn.LSTM``."""
        y, h, c = torch.lstm(
            x, [state[0], state[1]], self._flat_weights, self.bias, self.num_layers,
            self.dropout, self.training, self.bidirectional, self.batch_first,
        )  # fmt: skip
        return y, (h, c)

    def cell(self, layer: int, x: Tensor, state: State) -> State:
        """h and c (B, H) of ``layer`` after reading ``x`` (B, I) in ``state`` (h, c)."""
        count = 4 if self.bias else 2
        weights = self._flat_weights[count * layer : count * (layer + 1)]
        both = [state[0], state[1]]
        if self.bias:
            return torch.lstm_cell(x, both, weights[0], weights[1], weights[2], weights[3])
        return torch.lstm_cell(x, both, weights[0], weights[1])


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
