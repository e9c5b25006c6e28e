"""Ways to decode with one model, compared: speed, BLEU, and how many translations differ."""

import time
from dataclasses import dataclass
from typing import List, Optional

from ..pruning import PruneError
from ..runtime.load import load
from .bleu import Translator, bleu

#: Translations that differ are a tie where their scores (log-probability over length, as in
#: fairseq's H lines) do not differ by more: sums in another order differ by about 1e-6.
TIE = 1e-4


@dataclass
class Decoded:
    """What came of decoding a subset.

    Attributes:
        sentences_per_second: without the first batch, at which ``auto`` chooses.
        identical, ties, different: sentences, beside the first runtime's.
    """

    runtime: str
    sentences: int
    sentences_per_second: float
    bleu: float
    signature: str
    identical: int
    ties: int
    different: int


def compare(path: str, data: str, subset: str, words: List[str], runtimes: List[str]):
    """Decode with each of ``runtimes``; yield a ``Decoded`` for each.

    Args:
        words: options of fairseq-generate.
    Raises:
        PruneError: see ``load``, ``Translator``; the subset is not there.
    """
    first: Optional[_Decoding] = None
    for runtime in runtimes:
        decoded = _Decoding(path, data, subset, words, runtime)
        first = first or decoded
        yield decoded.beside(first)


class _Decoding:
    def __init__(self, path, data, subset, words, runtime):
        model, _, task = load(path, data, runtime)
        try:
            task.load_dataset(subset)
        except OSError as error:
            raise PruneError(f"DATA {data} has no {subset}: give --subset") from error
        self.runtime = runtime
        translator = Translator(model, task, subset, words)
        translator.warm_up()
        started = time.perf_counter()
        self.texts = translator.translate()
        self.seconds = time.perf_counter() - started
        self.scores = translator.scores
        self.score, self.signature = bleu(self.texts, translator.references())

    def beside(self, first) -> Decoded:
        same = [mine == theirs for mine, theirs in zip(self.texts, first.texts)]
        near = [abs(a - b) <= TIE for a, b in zip(self.scores, first.scores)]
        ties = sum(close and not equal for equal, close in zip(same, near))
        return Decoded(
            self.runtime,
            len(same),
            len(same) / self.seconds,
            self.score,
            self.signature,
            sum(same),
            ties,
            len(same) - sum(same) - ties,
        )
