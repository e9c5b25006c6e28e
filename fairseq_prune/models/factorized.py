"""``--factorization``: which matrices of a language model are factorized, and how."""

from dataclasses import dataclass

from torch import nn

from ..factorization import FORMS, LowRankEmbedding
from ..pruning import PruneError
from .factorized_lstm import FactorizedLSTM
from .init import uniform_embedding, uniform_init_
from .stepped_lstm import SteppedLSTM


@dataclass(frozen=True)
class Factorization:
    """Ranks of matrices by their place; 0 leaves them dense.

    Attributes:
        form: "none" or a key of ``FORMS``.
        order: cores of a tensor train.
    """

    form: str = "none"
    lstm_rank: int = 0
    softmax_rank: int = 0
    embedding_rank: int = 0
    order: int = 3

    @classmethod
    def of(cls, options) -> "Factorization":
        """What options (a namespace or configuration) ask for, by the names they have there."""
        return cls(
            str(options.factorization),
            options.lstm_rank,
            options.softmax_rank,
            options.embedding_rank,
            options.tensor_train_order,
        )

    def check(self) -> None:
        """Raise PruneError, naming the option, unless the ranks make sense together."""
        ranks = {
            "--lstm-rank": self.lstm_rank,
            "--softmax-rank": self.softmax_rank,
            "--embedding-rank": self.embedding_rank,
        }
        for flag, rank in ranks.items():
            if rank < 0:
                raise PruneError(f"{flag} {rank} is out of range; give 0 (dense) or more")
            if rank and self.form == "none":
                raise PruneError(f"{flag} needs --factorization {' or '.join(FORMS)}")
        if self.form != "none" and not any(ranks.values()):
            raise PruneError(
                f"--factorization {self.form} needs a rank: give {', '.join(ranks)} or several"
            )
        if self.form == "tensor-train" and self.embedding_rank:
            raise PruneError("--embedding-rank is for --factorization low-rank; leave it out")
        if self.order < 1:
            raise PruneError(f"--tensor-train-order {self.order} is out of range; give 1 or more")

    @property
    def options(self) -> dict:
        """Keywords of the form's own, beside sizes and rank."""
        return {"order": self.order} if self.form == "tensor-train" else {}

    def embedding(self, words: int, dim: int, padding: int, init_range: float) -> nn.Module:
        if not self.embedding_rank:
            return uniform_embedding(words, dim, padding, init_range)
        return LowRankEmbedding(words, dim, self.embedding_rank, padding).init_(init_range)

    def lstm(self, size: int, layers: int, dropout: float, init_range: float) -> nn.Module:
        dropout = dropout if layers > 1 else 0.0
        if not self.lstm_rank:
            return uniform_init_(SteppedLSTM(size, size, layers, dropout=dropout), init_range)

        def make(inputs: int, outputs: int) -> nn.Module:
            return FORMS[self.form](inputs, outputs, self.lstm_rank, **self.options)

        return FactorizedLSTM(size, size, layers, make, dropout).init_(init_range)

    def softmax(self, size: int, words: int, init_range: float) -> nn.Module:
        if not self.softmax_rank:
            return uniform_init_(nn.Linear(size, words), init_range)
        made = FORMS[self.form](size, words, self.softmax_rank, bias=True, **self.options)
        return made.init_(init_range)
