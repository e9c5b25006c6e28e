"""An LSTM whose matrices are factorized."""

from typing import Callable, List, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..factorization import TensorTrain
from .stepped_lstm import State, lstm_step, run_steps


class FactorizedLSTM(nn.Module):
    """In the place of ``SteppedLSTM``; gates i, f, g, o as torch's.

    Attributes:
        ih_l0, hh_l0, ih_l1, ...: factorized matrices (4H, I) and (4H, H), without bias.
        bias_ih_l0, bias_hh_l0, ...: (4H,)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        make: Callable[[int, int], nn.Module],
        dropout: float = 0.0,
    ):
        """
        Args:
            make: from sizes in and out to a factorized matrix.
            dropout: between layers.
        """
        super().__init__()
        self.hidden_size, self.num_layers, self.dropout = hidden_size, num_layers, dropout
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size
            setattr(self, f"ih_l{layer}", make(width, 4 * hidden_size))
            setattr(self, f"hh_l{layer}", make(hidden_size, 4 * hidden_size))
            for name in (f"bias_ih_l{layer}", f"bias_hh_l{layer}"):
                setattr(self, name, nn.Parameter(torch.zeros(4 * hidden_size)))

    def init_(self, init_range: float) -> "FactorizedLSTM":
        """Random numbers; see the factorized matrices' ``init_``."""
        for layer in range(self.num_layers):
            ih, hh, *biases = self._parts(layer)
            for matrix in (ih, hh):
                matrix.init_(init_range)
            for bias in biases:
                nn.init.uniform_(bias, -init_range, init_range)
        return self

    def forward(self, x: Tensor, state: State) -> Tuple[Tensor, State]:
        """Output (T, B, H) and (h, c), as ``nn.LSTM``, of x (T, B, I) and (h, c) (L, B, H)."""
        if not all(part.is_plain for k in range(self.num_layers) for part in self._parts(k)[:2]):
            return run_steps(self, x, state)
        h, c = [], []
        for layer in range(self.num_layers):
            if layer > 0:
                x = F.dropout(x, self.dropout, self.training)
            ih, hh, *biases = self._parts(layer)
            # torch's own loop over time; all inputs are reduced at once before it
            x, matrix = ih.reduce(x)
            first = tuple(part[layer : layer + 1].contiguous() for part in state)
            x, h_last, c_last = torch.lstm(
                x, first, [matrix, hh.matrix(), *biases], True, 1, 0.0, self.training, False, False
            )
            h.append(h_last)
            c.append(c_last)
        return x, (torch.cat(h), torch.cat(c))

    def cell(self, layer: int, x: Tensor, state: State) -> State:
        """As ``SteppedLSTM.cell``."""
        ih, hh, *biases = self._parts(layer)
        if isinstance(hh, TensorTrain):  # torch's own step takes no h that is narrower than c
            return torch.lstm_cell(x, state, ih.matrix(), hh.matrix(), *biases)
        return lstm_step(ih(x) + hh(state[0]) + (biases[0] + biases[1]), state[1])

    def _parts(self, layer: int) -> List:
        names = ("ih", "hh", "bias_ih", "bias_hh")
        return [getattr(self, f"{name}_l{layer}") for name in names]
