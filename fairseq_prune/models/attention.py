"""Global attention with the dot score (Luong et al. 2015, section 3.1)."""

from typing import Tuple

import torch
from torch import Tensor, nn

from .init import uniform_linear


class GlobalDotAttention(nn.Module):
    """h~ = tanh(W_c [c; h]), c = sum_s a_s m_s, a = softmax_s(h . m_s).

    W_c (H x 2H) is the only parameter, the paper's attention class of 2 M weights
    at H = 1000.
    """

    def __init__(self, hidden_size: int, init_range: float = 0.1):
        super().__init__()
        self.output_proj = uniform_linear(2 * hidden_size, hidden_size, init_range)

    def forward(
        self, hidden: Tensor, memory: Tensor, padding_mask: Tensor
    ) -> Tuple[Tensor, Tensor]:
        """
        Args:
            hidden: (B, T, H) top decoder states.
            memory: (B, S, H) top encoder states.
            padding_mask: (B, S), True at padding.
        Returns:
            h~ (B, T, H) and the attention weights (B, T, S), zero at padding.
        """
        scores = torch.bmm(hidden, memory.transpose(1, 2))
        scores = scores.masked_fill(padding_mask.unsqueeze(1), float("-inf"))
        # in fp32 also where the model is fp16: sums over long sources lose too much there
        weights = scores.softmax(dim=-1, dtype=torch.float32).type_as(hidden)
        context = torch.bmm(weights, memory)
        return torch.tanh(self.output_proj(torch.cat((context, hidden), dim=-1))), weights
