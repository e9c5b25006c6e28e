"""Which hypothesis is nearest to the reference."""

from functools import lru_cache
from typing import Sequence

from sacrebleu.metrics import BLEU


def nearest(hypotheses: Sequence[str], reference: str) -> int:
    """The number of the hypothesis of the highest sentence BLEU, of equal ones the first.

    Kim and Rush 2016, section 3.3. BLEU is of the tokens of the data, as they stand between
    spaces, and smoothed (Chen and Cherry 2014, the third of their ways, which is sacrebleu's).
    n-grams longer than a hypothesis do not count.
    """
    scores = [_bleu().sentence_score(text, [reference]).score for text in hypotheses]
    return scores.index(max(scores))


@lru_cache(maxsize=None)
def _bleu() -> BLEU:
    return BLEU(tokenize="none", effective_order=True)
