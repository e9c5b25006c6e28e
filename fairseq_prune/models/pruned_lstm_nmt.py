"""``--arch pruned_lstm_nmt``: the deep LSTM encoder-decoder of See et al. 2016."""

from dataclasses import dataclass, field
from typing import Any, Dict, Optional

from fairseq.dataclass import FairseqDataclass
from fairseq.models import (
    FairseqEncoderDecoderModel,
    register_model,
    register_model_architecture,
)
from omegaconf import II
from torch import Tensor

from .init import uniform_embedding
from .lstm_decoder import PrunedLSTMDecoder
from .lstm_encoder import PrunedLSTMEncoder
from .stepped_lstm import IncrementalState


@dataclass
class PrunedLSTMNMTConfig(FairseqDataclass):
    dropout: float = field(
        default=0.2,
        metadata={"help": "dropout probability on the vertical (non-recurrent) connections"},
    )
    hidden_size: int = field(
        default=512,
        metadata={"help": "size n of word embeddings and of every hidden layer"},
    )
    num_layers: int = field(
        default=2, metadata={"help": "LSTM layers of the encoder, and of the decoder"}
    )
    no_attention: bool = field(
        default=False,
        metadata={"help": "decode from the encoder's last states alone"},
    )
    decoder_input_feed: bool = field(
        default=False,
        metadata={
            "help": "feed h~ of the step before to the first decoder layer "
            "(Luong et al. 2015, section 3.3)"
        },
    )
    lstm_bias: bool = field(
        default=False, metadata={"help": "give the LSTM gates biases (the paper has none)"}
    )
    init_range: float = field(
        default=0.1,
        metadata={
            "help": "initialise weights uniformly in [-X, X]; 0.1 is the paper's, for layers of "
            "1000: for smaller ones take X * sqrt(hidden size) to stay about 3"
        },
    )
    share_decoder_input_output_embed: bool = field(
        default=False, metadata={"help": "use the target embedding as softmax weights"}
    )
    share_all_embeddings: bool = field(
        default=False,
        metadata={
            "help": "one table for source embedding, target embedding and softmax "
            "(needs a joined dictionary)"
        },
    )
    max_source_positions: int = II("task.max_source_positions")
    max_target_positions: int = II("task.max_target_positions")


@register_model("pruned_lstm_nmt", dataclass=PrunedLSTMNMTConfig)
class PrunedLSTMNMT(FairseqEncoderDecoderModel):
    """Deep LSTM encoder-decoder with global attention, no biases by default.

    With n = 1000, 4 layers and two vocabularies of 50,000 it has the paper's twelve
    weight classes: 8 layers of 8 M weights, attention 2 M, two embeddings and the
    softmax of 50 M each, 216 M in all (section 4.1, Figure 4).
    """

    @classmethod
    def build_model(cls, cfg: PrunedLSTMNMTConfig, task):
        source, target = task.source_dictionary, task.target_dictionary
        shared = None
        if cfg.share_all_embeddings:
            if source != target:
                raise SystemExit(
                    "fairseq_prune: --share-all-embeddings needs one joined dictionary; "
                    "run fairseq-preprocess with --joined-dictionary"
                )
            shared = uniform_embedding(len(source), cfg.hidden_size, source.pad(), cfg.init_range)
        common: Dict[str, Any] = dict(
            hidden_size=cfg.hidden_size,
            num_layers=cfg.num_layers,
            dropout=cfg.dropout,
            bias=cfg.lstm_bias,
            init_range=cfg.init_range,
            embed_tokens=shared,
        )
        encoder = PrunedLSTMEncoder(source, max_source_positions=cfg.max_source_positions, **common)
        decoder = PrunedLSTMDecoder(
            target,
            attention=not cfg.no_attention,
            input_feed=cfg.decoder_input_feed,
            share_input_output_embed=cfg.share_all_embeddings
            or cfg.share_decoder_input_output_embed,
            max_target_positions=cfg.max_target_positions,
            **common,
        )
        return cls(encoder, decoder)

    # fairseq's own takes further keywords, with which TorchScript cannot
    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Tensor,
        prev_output_tokens: Tensor,
        incremental_state: Optional[IncrementalState] = None,
    ):
        """See the decoder's."""
        encoder_out = self.encoder(src_tokens, src_lengths)
        return self.decoder(prev_output_tokens, encoder_out, incremental_state)


@register_model_architecture("pruned_lstm_nmt", "pruned_lstm_nmt_wmt14_en_de")
def pruned_lstm_nmt_wmt14_en_de(args):
    """The paper's main model (section 4): 4 layers of 1000, 216 M weights at 2 x 50k words."""
    args.hidden_size = getattr(args, "hidden_size", 1000)
    args.num_layers = getattr(args, "num_layers", 4)
    args.dropout = getattr(args, "dropout", 0.2)


@register_model_architecture("pruned_lstm_nmt", "pruned_lstm_nmt_iwslt15_vi_en")
def pruned_lstm_nmt_iwslt15_vi_en(args):
    """The paper's second model (section 5): 2 layers, no attention, about 11% of 216 M.

    The paper gives no layer size. 424 units make 23.6 M weights, 10.9%, with the
    vocabularies usual for this data (7,709 Vietnamese and 17,191 English words).
    """
    args.hidden_size = getattr(args, "hidden_size", 424)
    args.num_layers = getattr(args, "num_layers", 2)
    args.no_attention = getattr(args, "no_attention", True)
    args.dropout = getattr(args, "dropout", 0.2)


@register_model_architecture("pruned_lstm_nmt", "pruned_lstm_nmt_tiny")
def pruned_lstm_nmt_tiny(args):
    """2 layers of 32, for tests."""
    args.hidden_size = getattr(args, "hidden_size", 32)
    args.num_layers = getattr(args, "num_layers", 2)
    args.dropout = getattr(args, "dropout", 0.1)
