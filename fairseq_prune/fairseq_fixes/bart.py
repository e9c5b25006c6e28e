"""``translation_from_pretrained_bart``."""

from fairseq.tasks.translation_from_pretrained_bart import TranslationFromPretrainedBARTTask


def finetune_bart() -> None:
    """Let ``translation_from_pretrained_bart`` find its options where its base class has them."""
    TranslationFromPretrainedBARTTask.args = property(lambda self: self.cfg)
