"""The target side: a deep LSTM started from the encoder's states, and its attention."""

from typing import Dict, List, Optional, Tuple

import torch
from fairseq.models import FairseqIncrementalDecoder
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import GlobalDotAttention
from .init import uniform_embedding, uniform_init_, uniform_linear
from .lstm_encoder import LSTMEncoderOut
from .stepped_lstm import IncrementalState, SteppedLSTM, known


class PrunedLSTMDecoder(FairseqIncrementalDecoder):
    """See et al. 2016, section 3.1, equations (2) to (4), attention of Luong et al. 2015.

    Teacher forcing without input feeding runs the whole stack as one ``nn.LSTM`` call.
    Input feeding (Luong et al. 2015, section 3.3) makes each step wait for the one
    before, so it, and incremental decoding, run ``step`` on the same parameters.
    """

    def __init__(
        self,
        dictionary,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        attention: bool = True,
        input_feed: bool = False,
        bias: bool = False,
        init_range: float = 0.1,
        embed_tokens: Optional[nn.Embedding] = None,
        share_input_output_embed: bool = False,
        max_target_positions: int = 1024,
    ):
        super().__init__(dictionary)
        self.input_feed = input_feed
        self.max_target_positions = max_target_positions
        self.dropout = nn.Dropout(dropout)
        self.embed_tokens = (
            uniform_embedding(len(dictionary), hidden_size, dictionary.pad(), init_range)
            if embed_tokens is None
            else embed_tokens
        )
        self.lstm = SteppedLSTM(
            2 * hidden_size if input_feed else hidden_size,
            hidden_size,
            num_layers,
            bias=bias,
            dropout=dropout if num_layers > 1 else 0.0,
        )
        uniform_init_(self.lstm, init_range)
        self.attention = GlobalDotAttention(hidden_size, init_range) if attention else None
        self.fc_out = (
            None
            if share_input_output_embed
            else uniform_linear(hidden_size, len(dictionary), init_range)
        )

    def forward(
        self,
        prev_output_tokens: Tensor,
        encoder_out: Optional[LSTMEncoderOut] = None,
        incremental_state: Optional[IncrementalState] = None,
    ) -> Tuple[Tensor, Dict[str, List[Optional[Tensor]]]]:
        """Scores (B, T, V) before the softmax, and {"attn": [weights (B, T, S) or None]}."""
        features, weights = self.extract_features(
            prev_output_tokens, encoder_out, incremental_state
        )
        return self.output_layer(features), {"attn": [weights]}

    def extract_features(
        self,
        prev_output_tokens: Tensor,
        encoder_out: Optional[LSTMEncoderOut] = None,
        incremental_state: Optional[IncrementalState] = None,
    ) -> Tuple[Tensor, Optional[Tensor]]:
        """h~ (B, T, H) after dropout, and the attention weights (B, T, S) or None."""
        assert encoder_out is not None, "the decoder starts from the encoder's states"
        if incremental_state is not None:
            prev_output_tokens = prev_output_tokens[:, -1:]
        x = self.dropout(self.embed_tokens(prev_output_tokens))
        if incremental_state is None and not self.input_feed:
            state = (encoder_out["hidden"][0], encoder_out["cell"][0])
            x, _ = self.lstm(x.transpose(0, 1), state)
            x, weights = self._attend(x.transpose(0, 1), encoder_out)
            return self.dropout(x), weights

        hidden, cell, feed = self._load_state(encoder_out, incremental_state)
        outputs: List[Tensor] = []
        all_weights: List[Tensor] = []
        for x_t in x.unbind(dim=1):
            output, weights = self.step(x_t, hidden, cell, feed, encoder_out)
            outputs.append(output)
            if weights is not None:
                all_weights.append(weights)
            if feed is not None:
                feed = output
        if incremental_state is not None:
            self._save_state(hidden, cell, feed, incremental_state)
        return (
            torch.stack(outputs, dim=1),
            torch.cat(all_weights, dim=1) if self.attention is not None else None,
        )

    def step(
        self,
        x: Tensor,
        hidden: List[Tensor],
        cell: List[Tensor],
        feed: Optional[Tensor],
        encoder_out: LSTMEncoderOut,
    ) -> Tuple[Tensor, Optional[Tensor]]:
        """One time step of the stack; ``hidden`` and ``cell`` are brought up to date in place.

        Args:
            x: (B, H) embedded target words.
            hidden, cell: L tensors (B, H).
            feed: h~ (B, H) of the step before, with input feeding.
        Returns:
            h~ (B, H) after dropout, and the attention weights (B, 1, S) or None.
        """
        if feed is not None:
            x = torch.cat((x, feed), dim=1)
        for layer in range(self.lstm.num_layers):
            if layer > 0:
                x = self.dropout(x)
            x, cell[layer] = self.lstm.cell(layer, x, (hidden[layer], cell[layer]))
            hidden[layer] = x
        output, weights = self._attend(x.unsqueeze(1), encoder_out)
        return self.dropout(output.squeeze(1)), weights

    def output_layer(self, features: Tensor) -> Tensor:
        """Project h~ (B, T, H) onto the vocabulary (B, T, V)."""
        if self.fc_out is None:
            return F.linear(features, self.embed_tokens.weight)
        return self.fc_out(features)

    def _attend(
        self, hidden: Tensor, encoder_out: LSTMEncoderOut
    ) -> Tuple[Tensor, Optional[Tensor]]:
        if self.attention is None:
            return hidden, None
        return self.attention(hidden, encoder_out["memory"][0], encoder_out["padding_mask"][0])

    def _load_state(
        self, encoder_out: LSTMEncoderOut, incremental_state: Optional[IncrementalState]
    ) -> Tuple[List[Tensor], List[Tensor], Optional[Tensor]]:
        """What ``step`` starts from: the states of the encoder, or those that it left."""
        hidden, cell = encoder_out["hidden"][0], encoder_out["cell"][0]
        feed = torch.zeros_like(hidden[0]) if self.input_feed else None
        cached = self.get_incremental_state(incremental_state, "cached_state")
        if cached is not None:
            hidden, cell, feed = known(cached["hidden"]), known(cached["cell"]), cached["feed"]
        return list(hidden.unbind(0)), list(cell.unbind(0)), feed

    def _save_state(
        self,
        hidden: List[Tensor],
        cell: List[Tensor],
        feed: Optional[Tensor],
        incremental_state: IncrementalState,
    ) -> None:
        cached: Dict[str, Optional[Tensor]] = {
            "hidden": torch.stack(hidden),
            "cell": torch.stack(cell),
            "feed": feed,
        }
        self.set_incremental_state(incremental_state, "cached_state", cached)

    def reorder_incremental_state(
        self, incremental_state: IncrementalState, new_order: Tensor
    ) -> None:
        """Select hypotheses ``new_order`` (beam search)."""
        cached = self.get_incremental_state(incremental_state, "cached_state")
        if cached is None:
            return
        feed = cached["feed"]
        reordered: Dict[str, Optional[Tensor]] = {
            "hidden": known(cached["hidden"]).index_select(1, new_order),
            "cell": known(cached["cell"]).index_select(1, new_order),
            "feed": None if feed is None else feed.index_select(0, new_order),
        }
        self.set_incremental_state(incremental_state, "cached_state", reordered)

    def max_positions(self):
        return self.max_target_positions
