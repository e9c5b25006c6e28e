"""Transformers that encode with their own weights, also in evaluation mode."""

from fairseq.models import BaseFairseqModel


def encode_with_own_weights(model: BaseFairseqModel) -> None:
    """Stock fairseq 0.12.2 otherwise encodes with copies of a transformer's weights, made when it
    loaded them, until it has trained; and fails on padded batches on a CPU.
    """
    for module in model.modules():
        if hasattr(module, "ever_training"):
            module.ever_training = True
