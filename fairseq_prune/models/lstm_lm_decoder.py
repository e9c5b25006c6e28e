"""A deep LSTM that predicts the next word."""

from typing import Any, Dict, List, Optional, Tuple

import torch
from fairseq.models import FairseqIncrementalDecoder
from torch import Tensor, nn
from torch.nn import functional as F

from .factorized import Factorization
from .stepped_lstm import IncrementalState, State, known

LONGEST = 10**9


class LSTMLanguageModelDecoder(FairseqIncrementalDecoder):
    """Zaremba et al. 2014, section 3: dropout on all connections but the recurrent ones.

    A sequence starts from zero states and runs as one ``nn.LSTM`` call; incremental decoding
    goes on from the state it was in.
    """

    def __init__(
        self,
        dictionary,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        init_range: float,
        factorization: Factorization,
        share_input_output_embed: bool = False,
    ):
        super().__init__(dictionary)
        self.hidden_size, self.num_layers = hidden_size, num_layers
        self.dropout = nn.Dropout(dropout)
        self.embed_tokens: Any = factorization.embedding(
            len(dictionary), hidden_size, dictionary.pad(), init_range
        )
        self.lstm: Any = factorization.lstm(hidden_size, num_layers, dropout, init_range)
        self.fc_out = (
            None
            if share_input_output_embed
            else factorization.softmax(hidden_size, len(dictionary), init_range)
        )

    def forward(
        self,
        prev_output_tokens: Tensor,
        encoder_out: Optional[Dict[str, List[Tensor]]] = None,
        incremental_state: Optional[IncrementalState] = None,
    ) -> Tuple[Tensor, Optional[Dict[str, List[Optional[Tensor]]]]]:
        """Scores (B, T, V) before the softmax; (B, 1, V), of the last word, when incremental."""
        features, _ = self.extract_features(prev_output_tokens, encoder_out, incremental_state)
        return self.output_layer(features), None

    def extract_features(
        self,
        prev_output_tokens: Tensor,
        encoder_out: Optional[Dict[str, List[Tensor]]] = None,
        incremental_state: Optional[IncrementalState] = None,
    ) -> Tuple[Tensor, Optional[Dict[str, List[Optional[Tensor]]]]]:
        """What the top layer gives (B, T, H), after dropout."""
        if incremental_state is not None:
            prev_output_tokens = prev_output_tokens[:, -1:]
        x = self.dropout(self.embed_tokens(prev_output_tokens)).transpose(0, 1)
        state = self._load_state(x, incremental_state)
        if incremental_state is None:
            x, _ = self.lstm(x, state)
        else:
            x, state = self._step(x[0], state)
            self._save_state(state, incremental_state)
        return self.dropout(x.transpose(0, 1)), None

    def output_layer(self, features: Tensor) -> Tensor:
        """Project (B, T, H) onto the vocabulary (B, T, V)."""
        if self.fc_out is None:
            return F.linear(features, self.embed_tokens.weight)
        return self.fc_out(features)

    def _step(self, x: Tensor, state: State) -> Tuple[Tensor, State]:
        """One time step of all layers: x (B, H) to (1, B, H) and the new state."""
        h, c = list(state[0].unbind(0)), list(state[1].unbind(0))
        for layer in range(self.num_layers):
            h[layer], c[layer] = self.lstm.cell(layer, x, (h[layer], c[layer]))
            x = self.dropout(h[layer]) if layer + 1 < self.num_layers else h[layer]
        return x.unsqueeze(0), (torch.stack(h), torch.stack(c))

    def _load_state(self, x: Tensor, incremental_state: Optional[IncrementalState]) -> State:
        """h and c (L, B, H)."""
        cached = self.get_incremental_state(incremental_state, "cached_state")
        if cached is not None:
            return known(cached["hidden"]), known(cached["cell"])
        zeros = x.new_zeros(self.num_layers, x.shape[1], self.hidden_size)
        return zeros, zeros

    def _save_state(self, state: State, incremental_state: IncrementalState) -> None:
        cached: Dict[str, Optional[Tensor]] = {"hidden": state[0], "cell": state[1]}
        self.set_incremental_state(incremental_state, "cached_state", cached)

    def reorder_incremental_state(
        self, incremental_state: IncrementalState, new_order: Tensor
    ) -> None:
        """Select hypotheses ``new_order`` (beam search)."""
        cached = self.get_incremental_state(incremental_state, "cached_state")
        if cached is not None:
            h = known(cached["hidden"]).index_select(1, new_order)
            c = known(cached["cell"]).index_select(1, new_order)
            self._save_state((h, c), incremental_state)

    def max_positions(self):
        """No limit: what fairseq takes a text's length to be at most."""
        return LONGEST
