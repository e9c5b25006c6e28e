"""``Translator``: a packed file that translates lines of text, without fairseq and torch."""

import math
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import Any, List, Optional, Sequence

import numpy as np

from ..errors import OPTION, OptionError, PruneError
from ..packed.container import Container
from ..packed.dictionary import EOS, PAD, UNK
from ..packed.settings import read_settings
from ..packed.shortlist import read_shortlist
from .architectures import is_language_model
from .library import Options, use_threads
from .model import Hypothesis
from .read_model import read_model
from .text import Texts

#: fairseq's, where a model does not say.
MAX_POSITIONS = 1024
#: Numbers of options must be smaller.
MOST = 1 << 30


@dataclass(frozen=True)
class SearchOptions:
    """What to search for; names, meaning and defaults are fairseq-generate's.

    Attributes:
        beam: hypotheses to follow at once.
        nbest: translations of each line, at most ``beam``.
        max_len_a, max_len_b: translations have at most ``max_len_a`` times as many words as their
            source, and ``max_len_b`` more.
        min_len: words a translation has at least.
        lenpen: length penalty; below 1 favours shorter translations.
        unkpen: penalty for unknown words; below 0 favours them.
        unnormalized: compare sums of scores, whatever the length.
        temperature: divides the scores of words.
        shortlist: choose only from the words that training has as translations of a line's, and
            the most frequent; the file was packed with one.
    Raises:
        PruneError: one is out of range.
    """

    beam: int = field(default=5, metadata={"help": "hypotheses to follow at once"})
    nbest: int = field(default=1, metadata={"help": "translations of each line"})
    max_len_a: float = field(
        default=0.0,
        metadata={"help": "translations have at most A x + B words, x words in their source"},
    )
    max_len_b: int = field(default=200, metadata={"help": "B of --max-len-a"})
    min_len: int = field(default=1, metadata={"help": "words a translation has at least"})
    lenpen: float = field(
        default=1.0, metadata={"help": "length penalty: below 1 favours shorter translations"}
    )
    unkpen: float = field(
        default=0.0, metadata={"help": "penalty for unknown words; below 0 favours them"}
    )
    unnormalized: bool = field(
        default=False, metadata={"help": "compare sums of scores, whatever the length"}
    )
    temperature: float = field(default=1.0, metadata={"help": "divides the scores of words"})
    shortlist: bool = field(
        default=False,
        metadata={
            "help": "choose only from the words that training has as translations of a line's, "
            "and the most frequent: faster; the file was packed with --shortlist"
        },
    )

    def __post_init__(self):
        for option in fields(self):
            number, flag = getattr(self, option.name), option.name.replace("_", "-")
            if not math.isfinite(number) or abs(number) >= MOST:
                raise OptionError(f"{OPTION}{flag} {number:g}: give a number below {MOST:,}")
        for name in ("beam", "nbest"):
            if getattr(self, name) < 1:
                raise OptionError(f"{OPTION}{name} {getattr(self, name)}: give 1 or more")
        if self.nbest > self.beam:
            raise OptionError(
                f"{OPTION}nbest {self.nbest} is more than {OPTION}beam {self.beam} finds"
            )
        if not self.temperature > 0:
            raise OptionError(f"{OPTION}temperature {self.temperature:g}: give a number above 0")
        if self.min_len < 0 or self.max_len_a < 0 or self.max_len_b < 0:
            raise OptionError(
                f"{OPTION}min-len, {OPTION}max-len-a and {OPTION}max-len-b: give 0 or more"
            )


class Translator:
    """
    >>> translator = Translator("model.packed")
    >>> translator.translate(["ein Hund"], beam=5)
    ['a dog']
    """

    def __init__(self, path: str, threads: Optional[int] = None):
        """
        Args:
            path: a packed translation model with its dictionaries in it.
            threads: to use (default: ``OMP_NUM_THREADS``, or as many as there are processors).
        Raises:
            PruneError: there is no such file, it is damaged, it was packed without its
                dictionaries, or the engine cannot do such a model or is not compiled here.
        """
        use_threads(threads)
        container = Container(path)
        settings = read_settings(container)
        if is_language_model(settings.arch):
            raise PruneError(
                f"{path} is a language model, which does not translate; see fairseq-prune score"
            )
        self._path, self.texts = path, Texts(container)
        otherwise = "fairseq-generate --user-dir fairseq_prune translates with it"
        self._model = model = read_model(container, settings, self.texts, otherwise)
        self._shortlist = shortlist = read_shortlist(container)
        if shortlist is not None and not shortlist.fits(model.source_words, model.target_words):
            raise PruneError(f"{path} is damaged: its shortlist is not its model's")

        def positions(side: str) -> int:
            name = f"max_{side}_positions"
            limit = settings.model.get(name) or settings.task.get(name)
            return limit if type(limit) is int and 0 < limit < MOST else MAX_POSITIONS

        self._most_source, self._most_target = positions("source"), positions("target")

    def translate(
        self, lines: Sequence[str], replace_unk: bool = False, **options: Any
    ) -> List[str]:
        """A translation of each line, all lines in one batch.

        Args:
            replace_unk: copy the source's word that was most looked at in the place of ``<unk>``.
            **options: of ``SearchOptions``.
        Raises:
            PruneError: an option is out of range, or a line has more words than the model takes.
            TypeError: there is no such option, or ``lines`` is one line.
        """
        if isinstance(lines, str):
            raise TypeError("lines: give a list of lines, also of one")
        search = SearchOptions(**options)
        if search.nbest > 1:
            raise PruneError(
                f"translate gives one translation a line: take nbest for {search.nbest}"
            )
        return [best[0] for best in self.nbest(lines, replace_unk, search)]

    def nbest(
        self, lines: Sequence[str], replace_unk: bool, options: SearchOptions
    ) -> List[List[str]]:
        """The best ``options.nbest`` translations of each line, best first.

        Args:
            replace_unk: as ``translate``.
        """
        if replace_unk and not self._model.has_attention:
            raise OptionError(
                f"{OPTION}replace-unk copies the source's word that was looked at, and this model "
                f"has no attention; leave it out"
            )
        words = [self.texts.split(line) for line in lines]
        all_hypotheses = self.hypotheses(words, replace_unk, options)
        if not all(all_hypotheses):
            raise PruneError(f"{self._path} finds no translation: its weights are no numbers")
        return [
            [self._text(source, h, replace_unk) for h in hypotheses[: options.nbest]]
            for source, hypotheses in zip(words, all_hypotheses)
        ]

    def hypotheses(
        self, words: Sequence[Sequence[str]], attention: bool, options: SearchOptions
    ) -> List[List[Hypothesis]]:
        """What the search finds for sentences that are cut into the dictionary's words.

        Args:
            attention: whether hypotheses have it, (words, source words) each.
        Returns:
            of each sentence ``options.beam`` or fewer, the best first.
        Raises:
            PruneError: a sentence has more words than the model takes.
        """
        index = self.texts.source.index
        sentences = [[*map(index, sentence), EOS] for sentence in words]
        for sentence in sentences:
            if len(sentence) > self._most_source:
                raise PruneError(
                    f"a line has {len(sentence) - 1:,} words or pieces of words and the model "
                    f"takes {self._most_source - 1:,}; cut it into shorter ones"
                )
        longest = [
            min(int(options.max_len_a * len(s) + options.max_len_b), self._most_target - 1)
            for s in sentences
        ]
        if min(longest, default=options.min_len) < options.min_len:
            raise OptionError(
                f"{OPTION}min-len is more than {OPTION}max-len-a and {OPTION}max-len-b allow"
            )
        shortlist = self._choices(sentences) if options.shortlist else None
        search = Options(
            options.beam, options.min_len, int(not options.unnormalized), int(attention),
            PAD, EOS, UNK, EOS, options.lenpen, options.unkpen, options.temperature,
        )  # fmt: skip
        return self._model.generate(sentences, search, longest, shortlist=shortlist)

    def _choices(self, sentences: Sequence[Sequence[int]]) -> np.ndarray:
        if self._shortlist is None:
            raise OptionError(
                f"{OPTION}shortlist: {self._path} was packed without one; pack it again with "
                f"{OPTION}shortlist"
            )
        numbers = chain.from_iterable(sentences)
        return self._shortlist.choices(numbers, (PAD, EOS, UNK), self._model.target_words)

    def _text(self, source: Sequence[str], hypothesis: Hypothesis, replace_unk: bool) -> str:
        numbers = [n for n in hypothesis.tokens.tolist() if n != EOS]
        words = self.texts.words(numbers)
        if replace_unk and source:
            assert hypothesis.attention is not None, "the search was asked for it"
            looked_at = hypothesis.attention[:, : len(source)].argmax(axis=1)
            words = [
                source[at] if number == UNK else word
                for number, word, at in zip(numbers, words, looked_at)
            ]
        return self.texts.join(words)
