"""A packed model in the engine: from numbers of words to hypotheses."""

import ctypes
from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence

import numpy as np

from ..errors import PruneError
from ..packed.container import Container
from .architectures import parts_of
from .library import Options, Result, check, library
from .stored import DENSE_ABOVE, stored_in_file


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


class EngineModel:
    """A model whose matrices are as the kernels want them; nothing of it is expanded."""

    def __init__(self, container: Container, arch: Optional[str], options: Mapping[str, Any]):
        """
        Args:
            arch, options: the model's, as ``packed.settings`` reads them.
        Raises:
            PruneError: the file is damaged, or the engine cannot do this model.
        """
        self._library = library()
        self._handle = ctypes.c_void_p(self._library.engine_new())
        self._container = container
        self._tensors = container.content["tensors"]
        parts = parts_of(arch, options, set(self._tensors))
        loaded = {}
        for part, name in parts.matrices.items():
            name = self._own_name(name)
            if (name, part in parts.gates) in loaded:
                other = loaded[name, part in parts.gates]
                check(self._library.engine_share(self._handle, part.encode(), other.encode()))
                continue
            loaded[name, part in parts.gates] = part
            stored = stored_in_file(container, name, self._tensors[name]["shape"])
            gates = int(part in parts.gates)
            code = self._library.engine_matrix(
                self._handle, part.encode(), ctypes.byref(stored), gates, DENSE_ABOVE
            )
            self._check(code)
        for part, names in parts.vectors.items():
            vector = sum(self._vector(name) for name in names)
            if part in parts.gates:
                vector = vector.reshape(4, -1).T
            vector = np.ascontiguousarray(vector, np.float32).reshape(-1)
            address = vector.ctypes.data
            self._check(
                self._library.engine_vector(self._handle, part.encode(), address, vector.size)
            )
        for name, number in parts.numbers.items():
            check(self._library.engine_number(self._handle, name.encode(), number))
        self._check(self._library.engine_build(self._handle, parts.kind.encode()))

    def __del__(self):
        if getattr(self, "_handle", None):
            self._library.engine_free(self._handle)

    @property
    def nbytes(self) -> int:
        """Of all matrices, in memory."""
        return self._library.engine_bytes(self._handle)

    def generate(
        self,
        sentences: Sequence[np.ndarray],
        options: Options,
        longest: Sequence[int],
        prefixes: Optional[Sequence[np.ndarray]] = None,
    ) -> List[List[Hypothesis]]:
        """Beam search, as fairseq's ``SequenceGenerator``.

        Args:
            sentences: numbers of words with eos, of each source sentence.
            longest: most words before eos, of each translation.
            prefixes: words that each translation begins with, without eos.
        Returns:
            up to ``options.beam`` hypotheses of each sentence, best first.
        """
        prefixes = prefixes or [np.empty(0, np.int32)] * len(sentences)
        arrays = [
            np.array([len(s) for s in sentences], np.int32),
            _joined(sentences),
            np.array(longest, np.int32),
            np.array([len(p) for p in prefixes], np.int32),
            _joined(prefixes),
        ]
        result = ctypes.POINTER(Result)()
        check(
            self._library.engine_translate(
                self._handle, ctypes.byref(options), len(sentences),
                *(a.ctypes.data for a in arrays), ctypes.byref(result),
            )
        )  # fmt: skip
        try:
            return _read(result.contents, sentences, bool(options.want_attention))
        finally:
            self._library.engine_free_result(result)

    def _own_name(self, name: str) -> str:
        """The name that the tensor is stored under."""
        said = self._tensors.get(name)
        if said is None:
            raise PruneError(f"{self._container.path} has no {name}: it is damaged")
        return said.get("same_as", name)

    def _vector(self, name: str) -> np.ndarray:
        """A tensor of one dimension, which is stored whole or by its mask."""
        name = self._own_name(name)
        count = self._tensors[name]["shape"][0]
        result = np.zeros(count, np.float32)
        entries = self._container.entries
        if f"{name}:mask" in entries:
            from ..packed.mask_code import MaskCode

            code = MaskCode(self._container.read(f"{name}:mask"), count)
            kept = np.concatenate([start + found for start, _, found in code.blocks()])
            name = f"{name}:values"
        else:
            kept = np.arange(count)
        result[kept] = _floats(self._container.read(name), entries[name][0])
        return result

    def _check(self, code: int) -> None:
        try:
            check(code)
        except PruneError as error:
            raise PruneError(f"{self._container.path}: {error}") from error


def _floats(raw: np.ndarray, kind: str) -> np.ndarray:
    if kind == "BF16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.view({"F32": np.float32, "F16": np.float16, "F64": np.float64}[kind])


def _joined(lists: Sequence[np.ndarray]) -> np.ndarray:
    joined = np.concatenate([np.empty(0, np.int32), *lists])
    return np.ascontiguousarray(joined, np.int32)


def _read(result: Result, sentences: Sequence[np.ndarray], attention: bool):
    def array(pointer, count, kind):
        return np.ctypeslib.as_array(pointer, (count,)).copy() if count else np.empty(0, kind)

    lengths = array(result.lengths, result.count, np.int32)
    scores = array(result.scores, result.count, np.float32)
    words = array(result.words, int(lengths.sum()), np.int32)
    positional = array(result.positional, words.size, np.float32)
    found: List[List[Hypothesis]] = []
    at = which = weight_at = 0
    for s, sentence in enumerate(sentences):
        found.append([])
        for _ in range(result.per_sentence[s]):
            end = at + int(lengths[which])
            weights = None
            if attention:
                size = (end - at) * len(sentence)
                start = ctypes.addressof(result.attention.contents) + 4 * weight_at
                weights = np.ctypeslib.as_array((ctypes.c_float * size).from_address(start))
                weights = weights.copy().reshape(end - at, len(sentence))
                weight_at += size
            found[-1].append(
                Hypothesis(words[at:end], float(scores[which]), positional[at:end], weights)
            )
            at, which = end, which + 1
    return found
