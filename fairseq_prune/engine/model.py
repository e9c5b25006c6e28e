"""A model in the engine: from numbers of words to hypotheses."""

import ctypes
from dataclasses import dataclass
from typing import Any, Dict, Hashable, List, Mapping, Optional, Sequence, Set, Tuple, Union

import numpy as np

from ..errors import PruneError
from .architectures import parts_of
from .library import Options, Result, check, library

#: Numbers of the words of a sentence.
Words = Union[np.ndarray, Sequence[int]]


@dataclass(frozen=True)
class Hypothesis:
    """As fairseq's generator has them.

    Attributes:
        tokens: (T,) int32, with eos.
        score: as they are ranked by.
        positional_scores: (T,) float32, log-probabilities.
        attention: (T, S) float32, or None.
    """

    tokens: np.ndarray
    score: float
    positional_scores: np.ndarray
    attention: Optional[np.ndarray]


class Weights:
    """A model's tensors by name, as the engine takes them."""

    #: names of all tensors
    names: Set[str]
    #: what mistakes in them are said of
    whose = "the model"

    def key(self, name: str) -> Hashable:
        """What is the same for tied tensors."""
        raise NotImplementedError

    def put(self, handle: ctypes.c_void_p, part: bytes, name: str, gates: int) -> None:
        """Make the matrix the engine's ``part``.

        Raises:
            PruneError: it cannot be read.
        """
        raise NotImplementedError

    def vector(self, name: str) -> np.ndarray:
        """A tensor of one dimension, as floats."""
        raise NotImplementedError

    def check(self, code: int) -> None:
        """As ``library.check``, with the model's name."""
        check(code)


class EngineModel:
    """A model whose matrices are as the kernels want them; nothing of it is expanded."""

    def __init__(self, weights: Weights, arch: Optional[str], options: Mapping[str, Any]):
        """
        Args:
            arch, options: the model's, as ``packed.settings`` reads them.
        Raises:
            PruneError: the file is damaged, or the engine cannot do this model.
        """
        self._library = library()
        parts = parts_of(arch, options, weights.names)
        #: whether hypotheses say where the model looked at
        self.has_attention = not {"attention.output", "decoder.0.cross.query"}.isdisjoint(
            parts.matrices
        )
        self._handle = handle = ctypes.c_void_p(self._library.engine_new())
        put: Dict[Hashable, bytes] = {}
        for part, name in parts.matrices.items():
            gates = int(part in parts.gates)
            other = put.setdefault((weights.key(name), gates), part.encode())
            if other != part.encode():
                check(self._library.engine_share(handle, part.encode(), other))
            else:
                weights.put(handle, other, name, gates)
        for part, names in parts.vectors.items():
            vectors = list(map(weights.vector, names))
            if len({vector.size for vector in vectors}) > 1:
                both = " and ".join(names)
                raise PruneError(f"{weights.whose}: {both} are of different lengths")
            with np.errstate(invalid="ignore", over="ignore"):  # of what nobody trained
                vector = np.sum(vectors, axis=0)
            if part in parts.gates and vector.size % 4 == 0:  # others are refused below
                vector = vector.reshape(4, -1).T
            vector = np.ascontiguousarray(vector, np.float32).reshape(-1)
            address = vector.ctypes.data
            check(self._library.engine_vector(handle, part.encode(), address, vector.size))
        for name, number in parts.numbers.items():
            check(self._library.engine_number(handle, name.encode(), number))
        weights.check(self._library.engine_build(handle, parts.kind.encode()))
        #: rows of the embeddings; a language model has none of a source
        self.source_words = self._library.engine_words(handle, 0)
        self.target_words = self._library.engine_words(handle, 1)

    def __del__(self):
        if getattr(self, "_handle", None):
            self._library.engine_free(self._handle)

    def set_threads(self, count: int) -> None:
        """Of all models in the engine; nothing but a check unless it has changed."""
        self._library.engine_threads(count)

    @property
    def nbytes(self) -> int:
        """Of all matrices, in memory."""
        return self._library.engine_bytes(self._handle)

    def generate(
        self,
        sentences: Sequence[Words],
        options: Options,
        longest: Sequence[int],
        prefixes: Optional[Sequence[Words]] = None,
        shortlist: Optional[np.ndarray] = None,
    ) -> List[List[Hypothesis]]:
        """Beam search, as fairseq's ``SequenceGenerator``.

        Args:
            sentences: numbers of words with eos, of each source sentence; none of each for a
                language model.
            longest: most words before eos, of each translation.
            prefixes: words that each translation begins with, without eos.
            shortlist: (N,) int32, ascending: words to choose from, among which are those of
                ``options`` and ``prefixes``; None: all. Probabilities are among them.
        Returns:
            up to ``options.beam`` hypotheses of each sentence, best first.
        Raises:
            PruneError: there is a word or a length that the model does not have, or the memory
                does not suffice.
        """
        prefixes = prefixes or [np.empty(0, np.int32)] * len(sentences)
        arrays = [
            np.array([len(s) for s in sentences], np.int32),
            _joined(sentences),
            np.array(longest, np.int32),
            np.array([len(p) for p in prefixes], np.int32),
            _joined(prefixes),
        ]
        words = _joined([] if shortlist is None else [shortlist])
        result = ctypes.POINTER(Result)()
        check(
            self._library.engine_translate(
                self._handle, ctypes.byref(options), len(sentences),
                *(a.ctypes.data for a in arrays), len(words), words.ctypes.data,
                ctypes.byref(result),
            )
        )  # fmt: skip
        try:
            attention = bool(options.want_attention and self.source_words)
            return _read(result.contents, sentences, attention)
        finally:
            self._library.engine_free_result(result)

    def score(
        self, texts: Sequence[Words], next_words: int = 0
    ) -> Tuple[List[np.ndarray], np.ndarray, np.ndarray]:
        """A language model's log-probability of each word after those before it.

        Args:
            texts: numbers of words; the first of each is only read.
            next_words: how many of the most probable words after each text to find.
        Returns:
            natural logarithms (T - 1,) float32 of each text, N texts; what may come next, best
            first: numbers (N, next_words) int32, and their logarithms alike.
        Raises:
            PruneError: there is a word or a length that the model does not have, or the memory
                does not suffice.
        """
        lengths = np.array([len(text) for text in texts], np.int32)
        words = _joined(texts)
        scores = np.empty(words.size - lengths.size, np.float32)
        best = np.empty((lengths.size, next_words), np.int32)
        best_scores = np.empty(best.shape, np.float32)
        inputs, outputs = (lengths, words), (scores, best, best_scores)
        check(
            self._library.engine_score(
                self._handle, len(texts), *(a.ctypes.data for a in inputs), next_words,
                *(a.ctypes.data for a in outputs),
            )
        )  # fmt: skip
        each = np.split(scores, np.cumsum(lengths - 1)[:-1])
        return each[: len(texts)], best, best_scores


def _joined(lists: Sequence[Words]) -> np.ndarray:
    joined = np.concatenate([np.empty(0, np.int32), *lists])
    return np.ascontiguousarray(joined, np.int32)


def _read(result: Result, sentences: Sequence[Words], attention: bool):
    def array(pointer, count, kind):
        return np.ctypeslib.as_array(pointer, (count,)).copy() if count else np.empty(0, kind)

    lengths = array(result.lengths, result.count, np.int32)
    scores = array(result.scores, result.count, np.float32)
    words = array(result.words, int(lengths.sum()), np.int32)
    positional = array(result.positional, words.size, np.float32)
    hypotheses: List[List[Hypothesis]] = []
    at = which = weight_at = 0
    for s, sentence in enumerate(sentences):
        hypotheses.append([])
        for _ in range(result.per_sentence[s]):
            end = at + int(lengths[which])
            weights = None
            if attention:
                size = (end - at) * len(sentence)
                start = ctypes.addressof(result.attention.contents) + 4 * weight_at
                weights = np.ctypeslib.as_array((ctypes.c_float * size).from_address(start))
                weights = weights.copy().reshape(end - at, len(sentence))
                weight_at += size
            hypotheses[-1].append(
                Hypothesis(words[at:end], float(scores[which]), positional[at:end], weights)
            )
            at, which = end, which + 1
    return hypotheses
