"""BLEU, as sacrebleu and ``fairseq-generate --scoring sacrebleu`` have it."""

from typing import Any, List, Optional, Tuple

import sacrebleu

from ..pruning import PruneError
from .translate import Translations


def bleu(
    translations: Translations, scoring: Any, references: Optional[List[str]] = None
) -> Tuple[float, str]:
    """BLEU in points of what was translated, and sacrebleu's signature of it.

    Args:
        scoring: ``--sacrebleu-tokenizer`` and ``--sacrebleu-lowercase``, of ``cfg.scoring``.
        references: of the whole subset, in its order; by default what its data has.
    Raises:
        PruneError: there are no references, or not as many as sentences.
    """
    if references is not None and len(references) != translations.total:
        raise PruneError(
            f"there are {len(references)} references for {translations.total} sentences; "
            f"check evaluate: references"
        )
    numbers = sorted(translations.texts)
    if references is None and not translations.references:
        raise PruneError("the data has no target side to score translations by")
    right = translations.references if references is None else references
    metric = sacrebleu.metrics.BLEU(
        tokenize=str(scoring.sacrebleu_tokenizer), lowercase=scoring.sacrebleu_lowercase
    )
    score = metric.corpus_score(
        [translations.texts[n] for n in numbers], [[right[n] for n in numbers]]
    )
    return score.score, str(metric.get_signature())
