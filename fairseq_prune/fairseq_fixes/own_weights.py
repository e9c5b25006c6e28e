"""Transformers that encode with their own weights, also in evaluation mode."""

import functools

from fairseq.models import BaseFairseqModel
from fairseq.modules.transformer_layer import TransformerEncoderLayerBase


def encode_with_own_weights(model: BaseFairseqModel) -> None:
    """Stock fairseq 0.12.2 otherwise encodes with copies of a transformer's weights, made when it
    loaded them, until it has trained; and fails on padded batches on a CPU.
    """
    for module in model.modules():
        _use_own_weights(module)


def encode_on_cpus() -> None:
    """Have transformers do so on a CPU. Evaluation mode comes after they are moved anywhere."""
    train = TransformerEncoderLayerBase.train

    @functools.wraps(train)
    def train_or_evaluate(self, mode=True):
        if all(weight.device.type == "cpu" for weight in self.parameters()):
            _use_own_weights(self)
        return train(self, mode)

    TransformerEncoderLayerBase.train = train_or_evaluate


def _use_own_weights(module) -> None:
    if hasattr(module, "ever_training"):
        module.ever_training = True
