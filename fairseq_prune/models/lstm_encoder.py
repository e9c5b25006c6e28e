"""The source side: a deep LSTM that reads the sentence backwards."""

from typing import Dict, List, Optional

import torch
from fairseq.models import FairseqEncoder
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .init import uniform_embedding, uniform_init_

#: What the decoder needs of the source, each a list of one tensor: as fairseq's Transformer has it,
#: and the only form that a scripted ``SequenceGenerator`` takes. B sentences, S positions, L
#: layers, H units.
#:
#: memory (B, S, H): top layer. padding_mask (B, S): True at padding. hidden, cell (L, B, H): h and
#: c after the last word read.
#:
#: Everything indexed by position is in the *original* source order (padding where the batch has
#: it), although the LSTM reads backwards: attention weights over ``memory`` can therefore be
#: shown, and used for ``--replace-unk``, as they are.
LSTMEncoderOut = Dict[str, List[Tensor]]


def reading_order(padding_mask: Tensor) -> Tensor:
    """Positions of each row from its last real token to its first, padding after them.

    Args:
        padding_mask: (B, S), True at padding, which may stand on either side.
    Returns:
        (B, S) int64, a permutation of ``range(S)`` in each row.
    """
    position = torch.arange(padding_mask.size(1), device=padding_mask.device)
    key = position.expand_as(padding_mask).masked_fill(padding_mask, -1)
    return key.argsort(dim=1, descending=True)


class PrunedLSTMEncoder(FairseqEncoder):
    """See et al. 2016, section 3.1 and equations (2) to (4); source reversed as in
    Sutskever et al. 2014, dropout on the vertical connections as in Zaremba et al. 2014.
    """

    def __init__(
        self,
        dictionary,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        bias: bool = False,
        init_range: float = 0.1,
        embed_tokens: Optional[nn.Embedding] = None,
        max_source_positions: int = 1024,
    ):
        super().__init__(dictionary)
        self.padding_idx = dictionary.pad()
        self.max_source_positions = max_source_positions
        self.dropout = nn.Dropout(dropout)
        self.embed_tokens = (
            uniform_embedding(len(dictionary), hidden_size, self.padding_idx, init_range)
            if embed_tokens is None
            else embed_tokens
        )
        self.lstm = nn.LSTM(
            hidden_size,
            hidden_size,
            num_layers,
            bias=bias,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        uniform_init_(self.lstm, init_range)

    def forward(self, src_tokens: Tensor, src_lengths: Optional[Tensor] = None) -> LSTMEncoderOut:
        """Encode ``src_tokens`` (B, S), padded on either side."""
        padding_mask = src_tokens.eq(self.padding_idx)
        order = reading_order(padding_mask)
        # the padding decides the lengths: src_lengths is only what the caller believes
        lengths = (~padding_mask).sum(dim=1)
        x = self.dropout(self.embed_tokens(src_tokens.gather(1, order)))
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        packed, (hidden, cell) = self.lstm(packed)
        reversed_memory, _ = pad_packed_sequence(
            packed, batch_first=True, total_length=src_tokens.size(1)
        )
        source_order = order.argsort(dim=1)
        memory = reversed_memory.gather(
            1, source_order.unsqueeze(2).expand(-1, -1, reversed_memory.size(2))
        )
        return {
            "memory": [memory],
            "padding_mask": [padding_mask],
            "hidden": [hidden],
            "cell": [cell],
        }

    def reorder_encoder_out(self, encoder_out: LSTMEncoderOut, new_order: Tensor) -> LSTMEncoderOut:
        """Select sentences ``new_order`` of the batch (beam search)."""
        return {
            "memory": [encoder_out["memory"][0].index_select(0, new_order)],
            "padding_mask": [encoder_out["padding_mask"][0].index_select(0, new_order)],
            "hidden": [encoder_out["hidden"][0].index_select(1, new_order)],
            "cell": [encoder_out["cell"][0].index_select(1, new_order)],
        }

    def max_positions(self):
        return self.max_source_positions
