"""The target side: a deep LSTM started from the encoder's states, and its attention."""

from typing import Dict, List, Optional, Tuple

import torch
from fairseq.models import FairseqIncrementalDecoder
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import GlobalDotAttention
from .init import uniform_embedding, uniform_init_, uniform_linear
from .lstm_encoder import LSTMEncoderOut
from .stepped_lstm import SteppedLSTM

State = Dict[str, Optional[Tensor]]


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
        encoder_out: LSTMEncoderOut,
        incremental_state: Optional[Dict[str, State]] = None,
        **unused,
    ) -> Tuple[Tensor, Dict[str, List[Optional[Tensor]]]]:
        """Scores (B, T, V) before the softmax, and {"attn": [weights (B, T, S) or None]}."""
        features, weights = self.extract_features(
            prev_output_tokens, encoder_out, incremental_state
        )
        return self.output_layer(features), {"attn": [weights]}

    def extract_features(
        self,
        prev_output_tokens: Tensor,
        encoder_out: LSTMEncoderOut,
        incremental_state: Optional[Dict[str, State]] = None,
        **unused,
    ) -> Tuple[Tensor, Optional[Tensor]]:
        """h~ (B, T, H) after dropout, and the attention weights (B, T, S) or None."""
        if incremental_state is not None:
            prev_output_tokens = prev_output_tokens[:, -1:]
        x = self.dropout(self.embed_tokens(prev_output_tokens))
        if incremental_state is None and not self.input_feed:
            x, _ = self.lstm(x.transpose(0, 1), (encoder_out.hidden, encoder_out.cell))
            x, weights = self._attend(x.transpose(0, 1), encoder_out)
            return self.dropout(x), weights

        state = self._load_state(encoder_out, incremental_state)
        outputs, weights = [], []
        for x_t in x.unbind(dim=1):
            output, weight = self.step(x_t, state, encoder_out)
            outputs.append(output)
            weights.append(weight)
        if incremental_state is not None:
            self._save_state(state, incremental_state)
        return (
            torch.stack(outputs, dim=1),
            torch.cat(weights, dim=1) if self.attention is not None else None,
        )

    def step(self, x: Tensor, state: State, encoder_out: LSTMEncoderOut):
        """One time step of the stack; ``state`` is brought up to date in place.

        Args:
            x: (B, H) embedded target words.
            state: "hidden" and "cell", lists of L tensors (B, H), and "feed" (B, H) or None.
        Returns:
            h~ (B, H) after dropout, and the attention weights (B, 1, S) or None.
        """
        if self.input_feed:
            x = torch.cat((x, state["feed"]), dim=1)
        for layer in range(self.lstm.num_layers):
            if layer > 0:
                x = self.dropout(x)
            x, state["cell"][layer] = self.lstm.cell(
                layer, x, (state["hidden"][layer], state["cell"][layer])
            )
            state["hidden"][layer] = x
        output, weights = self._attend(x.unsqueeze(1), encoder_out)
        output = self.dropout(output.squeeze(1))
        if self.input_feed:
            state["feed"] = output
        return output, weights

    def output_layer(self, features: Tensor) -> Tensor:
        """Project h~ (B, T, H) onto the vocabulary (B, T, V)."""
        if self.fc_out is None:
            return F.linear(features, self.embed_tokens.weight)
        return self.fc_out(features)

    def _attend(self, hidden: Tensor, encoder_out: LSTMEncoderOut):
        if self.attention is None:
            return hidden, None
        return self.attention(hidden, encoder_out.memory, encoder_out.padding_mask)

    def _load_state(self, encoder_out: LSTMEncoderOut, incremental_state) -> State:
        cached = self.get_incremental_state(incremental_state, "cached_state")
        if cached is None:
            cached = {"hidden": encoder_out.hidden, "cell": encoder_out.cell, "feed": None}
            if self.input_feed:
                cached["feed"] = torch.zeros_like(encoder_out.hidden[0])
        return {
            "hidden": list(cached["hidden"].unbind(0)),
            "cell": list(cached["cell"].unbind(0)),
            "feed": cached["feed"],
        }

    def _save_state(self, state: State, incremental_state) -> None:
        cached = {
            "hidden": torch.stack(state["hidden"]),
            "cell": torch.stack(state["cell"]),
            "feed": state["feed"],
        }
        self.set_incremental_state(incremental_state, "cached_state", cached)

    def reorder_incremental_state(self, incremental_state, new_order: Tensor) -> None:
        """Select hypotheses ``new_order`` (beam search)."""
        cached = self.get_incremental_state(incremental_state, "cached_state")
        if cached is None:
            return
        reordered = {
            "hidden": cached["hidden"].index_select(1, new_order),
            "cell": cached["cell"].index_select(1, new_order),
            "feed": None if cached["feed"] is None else cached["feed"].index_select(0, new_order),
        }
        self.set_incremental_state(incremental_state, "cached_state", reordered)

    def max_positions(self):
        return self.max_target_positions
