"""Shortlists: the words that those of a sentence are translated by, in a packed file.

With one, the softmax of a translation is over some thousand words instead of all (Devlin 2017,
"Sharp models on dull hardware", section 6; L'Hostis et al. 2016, "Vocabulary selection strategies
for neural machine translation").
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Iterable, List, Optional, Tuple

import numpy as np

from ..errors import OPTION, OptionError, PruneError
from .container import Container

COUNTS, WORDS, FREQUENT = ENTRIES = tuple(
    f"shortlist:{part}" for part in ("counts", "words", "frequent")
)
#: A source word has no more.
MOST_TRANSLATIONS = 255


@dataclass(frozen=True)
class ShortlistOptions:
    """
    Attributes:
        best: most translations of a word.
        frequent: how many of the most frequent words are among every sentence's.
        alignments: file with the links of the training data; None: eflomal finds them.
    """

    best: int = 50
    frequent: int = 500
    alignments: Optional[str] = None

    def __post_init__(self):
        if not 1 <= self.best <= MOST_TRANSLATIONS:
            raise OptionError(f"{OPTION}shortlist {self.best}: give 1 to {MOST_TRANSLATIONS}")
        if self.frequent < 1:
            raise OptionError(f"{OPTION}shortlist-frequent {self.frequent}: give 1 or more")


@dataclass(frozen=True)
class Shortlist:
    """
    Attributes:
        counts: (S,) how many translations each word of the source has.
        words: (sum of counts,) their numbers, those of one source word after the other's.
        frequent: numbers of words that are among every sentence's.
    """

    counts: np.ndarray
    words: np.ndarray
    frequent: np.ndarray

    @cached_property
    def _ends(self) -> np.ndarray:
        """Where those of each word end, after where the first one's begin."""
        return np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64)])

    @property
    def _largest(self) -> int:
        return max(self.words.max(initial=0), self.frequent.max(initial=0))

    def choices(self, numbers: Iterable[int], needed: Iterable[int], vocabulary: int) -> np.ndarray:
        """Words that a batch may be translated by.

        Args:
            numbers: of all words of its source.
            needed: words that are among them in any case.
            vocabulary: words of the target.
        Returns:
            (N,) int32, ascending.
        """
        chosen = np.zeros(vocabulary, bool)
        chosen[self.frequent] = True
        chosen[list(needed)] = True
        for number in set(numbers):
            chosen[self.words[self._ends[number] : self._ends[number + 1]]] = True
        return np.flatnonzero(chosen).astype(np.int32)

    def fits(self, source_words: int, target_words: int) -> bool:
        """Whether it is of dictionaries with so many words."""
        return len(self.counts) == source_words and self._largest < target_words

    def stored(self) -> List[Tuple[str, str, np.ndarray]]:
        """The entries of a packed file: name, dtype, contents."""
        # numbers below 65,536 as I16 without a sign
        dtype, kind = ("I16", "<u2") if self._largest < 1 << 16 else ("I32", "<i4")
        return [
            (COUNTS, "U8", self.counts.astype("u1")),
            (WORDS, dtype, self.words.astype(kind)),
            (FREQUENT, dtype, self.frequent.astype(kind)),
        ]


def read_shortlist(container: Container) -> Optional[Shortlist]:
    """That of a file; None if it was packed without.

    Raises:
        PruneError: it is damaged.
    """
    if COUNTS not in container.entries:
        return None
    read = [container.read(name) for name in ENTRIES]
    counts, words, frequent = (part.view(f"u{part.itemsize}").astype(np.int64) for part in read)
    if counts.sum() != len(words):
        raise PruneError(f"{container.path} is damaged: its shortlist is not complete")
    return Shortlist(counts, words, frequent)
