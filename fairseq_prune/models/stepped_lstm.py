"""An ``nn.LSTM`` that can also be run a time step at a time."""

from typing import Tuple

import torch
from torch import Tensor, nn


class SteppedLSTM(nn.LSTM):
    """The same parameters and names; ``cell`` is one layer at one time step."""

    def cell(self, layer: int, x: Tensor, state: Tuple[Tensor, Tensor]) -> Tuple[Tensor, Tensor]:
        """h and c (B, H) of ``layer`` after reading ``x`` (B, I) in ``state`` (h, c)."""
        return torch.lstm_cell(x, state, *self.all_weights[layer])
