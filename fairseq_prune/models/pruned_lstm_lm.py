"""``--arch pruned_lstm_lm``: the LSTM language models of Zaremba et al. 2014."""

from dataclasses import dataclass, field
from typing import Any, Optional

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.models import (
    FairseqLanguageModel,
    register_model,
    register_model_architecture,
)
from torch import Tensor

from ..factorization import FORMS
from ..pruning import PruneError
from .factorized import Factorization
from .lstm_lm_decoder import LSTMLanguageModelDecoder
from .stepped_lstm import IncrementalState

#: What ``--factorization`` takes.
Form: Any = ChoiceEnum(["none", *FORMS])


@dataclass
class PrunedLSTMLMConfig(FairseqDataclass):
    hidden_size: int = field(
        default=200, metadata={"help": "size of word embeddings and of every hidden layer"}
    )
    num_layers: int = field(default=2, metadata={"help": "LSTM layers"})
    dropout: float = field(
        default=0.0,
        metadata={"help": "dropout probability on all connections but the recurrent ones"},
    )
    init_range: float = field(
        default=0.1, metadata={"help": "initialise weights uniformly in [-X, X]"}
    )
    share_decoder_input_output_embed: bool = field(
        default=False, metadata={"help": "use the embedding as softmax weights"}
    )
    factorization: Form = field(
        default="none",
        metadata={
            "help": "make matrices of smaller ones: low-rank, products of two; tensor-train, "
            "trains of --tensor-train-order cores. Those with a rank are"
        },
    )
    lstm_rank: int = field(
        default=0,
        metadata={"help": "rank of each matrix of the LSTM layers; 0: dense"},
    )
    softmax_rank: int = field(default=0, metadata={"help": "rank of the softmax; 0: dense"})
    embedding_rank: int = field(
        default=0, metadata={"help": "rank of the embedding (low-rank only); 0: dense"}
    )
    tensor_train_order: int = field(default=3, metadata={"help": "cores of each tensor train"})


@register_model("pruned_lstm_lm", dataclass=PrunedLSTMLMConfig)
class PrunedLSTMLM(FairseqLanguageModel):
    """Word embeddings, LSTM layers of one size, softmax (Zaremba et al. 2014, section 3)."""

    #: a set, which TorchScript does not know
    __jit_unused_properties__ = ["supported_targets"]

    @classmethod
    def build_model(cls, cfg: PrunedLSTMLMConfig, task):
        try:
            return cls(_decoder(cfg, task.target_dictionary))
        except PruneError as error:
            raise SystemExit(f"fairseq_prune: error: {error}") from error

    # fairseq's own takes further keywords, with which TorchScript cannot
    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Optional[Tensor] = None,
        incremental_state: Optional[IncrementalState] = None,
    ):
        """See the decoder's."""
        return self.decoder(src_tokens, None, incremental_state)


def _decoder(cfg: PrunedLSTMLMConfig, dictionary) -> LSTMLanguageModelDecoder:
    _check(cfg)
    factorization = Factorization.of(cfg)
    factorization.check()
    if cfg.share_decoder_input_output_embed and (cfg.softmax_rank or cfg.embedding_rank):
        raise PruneError(
            "--share-decoder-input-output-embed takes no --softmax-rank or --embedding-rank"
        )
    return LSTMLanguageModelDecoder(
        dictionary,
        hidden_size=cfg.hidden_size,
        num_layers=cfg.num_layers,
        dropout=cfg.dropout,
        init_range=cfg.init_range,
        factorization=factorization,
        share_input_output_embed=cfg.share_decoder_input_output_embed,
    )


def _check(cfg: PrunedLSTMLMConfig) -> None:
    for flag, size in (("--hidden-size", cfg.hidden_size), ("--num-layers", cfg.num_layers)):
        if size < 1:
            raise PruneError(f"{flag} {size} is out of range; give 1 or more")
    if not 0 <= cfg.dropout <= 1:
        raise PruneError(f"--dropout {cfg.dropout} is out of range; give 0 to 1")
    if not cfg.init_range >= 0:
        raise PruneError(f"--init-range {cfg.init_range} is out of range; give 0 or more")


def _sizes(name: str, hidden_size: int, dropout: float, init_range: float):
    @register_model_architecture("pruned_lstm_lm", name)
    def architecture(args):
        args.hidden_size = getattr(args, "hidden_size", hidden_size)
        args.num_layers = getattr(args, "num_layers", 2)
        args.dropout = getattr(args, "dropout", dropout)
        args.init_range = getattr(args, "init_range", init_range)


# Zaremba et al. 2014, section 4.1
_sizes("pruned_lstm_lm_small", 200, 0.0, 0.1)
_sizes("pruned_lstm_lm_medium", 650, 0.5, 0.05)
_sizes("pruned_lstm_lm_large", 1500, 0.65, 0.04)
_sizes("pruned_lstm_lm_tiny", 32, 0.1, 0.1)  # for tests
