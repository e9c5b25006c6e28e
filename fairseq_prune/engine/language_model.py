"""``LanguageModel``: a packed file that scores text, without fairseq and torch.

A line is a text of its own: it begins after ``</s>``, which is only read, and its own ``</s>`` at
the end counts as a word, as in ``fairseq-eval-lm --sample-break-mode eos``.
"""

import math
from dataclasses import dataclass
from itertools import islice
from typing import Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import OPTION, OptionError, PruneError
from ..packed.container import Container
from ..packed.dictionary import EOS
from ..packed.settings import Settings, read_settings
from .architectures import MOST, is_language_model
from .library import use_threads
from .read_model import read_model
from .text import Texts
from .translator import MAX_POSITIONS

#: Options of the task with which a model is another than the engine takes it for.
UNKNOWN = ("add_bos_token", "self_target", "past_target")


@dataclass(frozen=True)
class Score:
    """Of some text.

    Attributes:
        words: how many, ends of lines included.
        log_probability: of all of them, a natural logarithm.
    """

    words: int
    log_probability: float

    @property
    def loss(self) -> float:
        """Bits a word."""
        return -self.log_probability / self.words / math.log(2)

    @property
    def perplexity(self) -> float:
        return 2**self.loss if self.loss < 1000 else math.inf


class LanguageModel:
    """
    >>> model = LanguageModel("model.packed")
    >>> model.perplexity(["the dog sleeps", "a cat"])
    34.2
    >>> model.next_words("the dog", 2)
    [('sleeps', 0.4), ('</s>', 0.1)]
    """

    def __init__(self, path: str, threads: Optional[int] = None):
        """
        Args:
            path: a packed language model with its dictionary in it.
            threads: to use (default: ``OMP_NUM_THREADS``, or as many as there are processors).
        Raises:
            PruneError: there is no such file, it is damaged or no language model, it was packed
                without its dictionary, or the engine cannot do it or is not compiled here.
        """
        use_threads(threads)
        container = Container(path)
        settings = read_settings(container)
        if not is_language_model(settings.arch):
            raise PruneError(
                f"{path} is no language model that the engine knows, but of architecture "
                f"{settings.arch}; see fairseq-prune translate"
            )
        self.texts = Texts(container)
        _check(path, settings)
        otherwise = "fairseq-eval-lm --user-dir fairseq_prune scores text with it"
        self._model = read_model(container, settings, self.texts, otherwise)
        self._most = _most_words(settings)

    def scores(self, lines: Sequence[str]) -> List[np.ndarray]:
        """Natural logarithms of the probability of each line's words and its end, (T,) float32;
        all lines in one batch."""
        _check_lines(lines)
        return self._scores([[EOS, *self.texts.encode(line)] for line in lines])

    def perplexity(self, lines: Iterable[str]) -> float:
        """Of all words, ends of lines included."""
        return self.score(lines).perplexity

    def score(
        self, lines: Iterable[str], tokens_per_sample: Optional[int] = None, batch_size: int = 32
    ) -> Score:
        """
        Args:
            tokens_per_sample: cut the text into blocks of so many words, across lines, as
                ``fairseq-eval-lm`` does without ``--sample-break-mode``; None: lines of their own.
            batch_size: lines or blocks to read at once.
        Raises:
            PruneError: there is no text, or a line or block is longer than the model reads.
            TypeError: ``lines`` is one line.
        """
        _check_lines(lines)
        if tokens_per_sample is None:
            texts: Iterable = ([EOS, *self.texts.encode(line)] for line in lines)
        else:
            texts = self._blocks(lines, tokens_per_sample)
        texts, words, total = iter(texts), 0, 0.0
        for batch in iter(lambda: list(islice(texts, batch_size)), []):
            for scores in self._scores(batch):
                words, total = words + scores.size, total + float(scores.sum(dtype=np.float64))
        if not words:
            raise PruneError("there is no text to score; give at least a line")
        return Score(words, total)

    def next_words(self, prefix: str, count: int) -> List[Tuple[str, float]]:
        """The ``count`` most probable words after a line's beginning, and their probabilities."""
        return self.next_words_of_all([prefix], count)[0]

    def next_words_of_all(
        self, prefixes: Sequence[str], count: int
    ) -> List[List[Tuple[str, float]]]:
        """``next_words`` of several, all in one batch."""
        most = len(self.texts.target) - 1  # the padding never comes
        if not 1 <= count <= most:
            raise OptionError(f"{OPTION}next {count}: give 1 to {most}, the words there are")
        texts = [[EOS, *self.texts.encode(prefix)[:-1]] for prefix in prefixes]
        self._check_lengths(map(len, texts))
        _, numbers, scores = self._model.score(texts, count)
        return [
            [(self.texts.target.symbol(n), p) for n, p in zip(words, probabilities)]
            for words, probabilities in zip(numbers.tolist(), np.exp(scores).tolist())
        ]

    def _scores(self, texts: Sequence[Sequence[int]]) -> List[np.ndarray]:
        self._check_lengths(len(text) - 1 for text in texts)
        return self._model.score(texts)[0]

    def _check_lengths(self, read: Iterable[int]) -> None:
        longest = max(read, default=0)
        if self._most is not None and longest > self._most:
            raise OptionError(
                f"the model reads {self._most:,} words or pieces of words at a time, ends of lines "
                f"included, and there are {longest:,}; cut the text into shorter lines, or into "
                f"blocks by {OPTION}tokens-per-sample {self._most}"
            )

    def _blocks(self, lines: Iterable[str], size: int) -> Iterator[List[int]]:
        """The word before a block, and its words."""
        if size < 1:
            raise OptionError(f"{OPTION}tokens-per-sample {size}: give 1 or more")
        block = [EOS]
        for line in lines:
            for number in self.texts.encode(line):
                block.append(number)
                if len(block) > size:
                    yield block
                    block = [number]
        if len(block) > 1:
            yield block


def _check_lines(lines: Iterable[str]) -> None:
    if isinstance(lines, str):
        raise TypeError("lines: give a list of lines, also of one")


def _check(path: str, settings: Settings) -> None:
    unknown = [name for name in UNKNOWN if settings.task.get(name)]
    if (settings.task.get("output_dictionary_size") or -1) >= 0:
        unknown.append("output_dictionary_size")
    if unknown:
        flag = "--" + unknown[0].replace("_", "-")
        raise PruneError(f"{path} was trained with {flag}, which the engine does not have")


def _most_words(settings: Settings) -> Optional[int]:
    """How many words the model reads at a time, as fairseq has it; None: any number."""
    if "lstm" in (settings.arch or ""):
        return None
    for name in ("max_target_positions", "tokens_per_sample"):
        for options in (settings.model, settings.task):
            limit = options.get(name)
            if type(limit) is int and 0 < limit < MOST:
                return limit
    return MAX_POSITIONS
