"""Text to a dictionary's words and back, as fairseq's encoders of the same names do it.

Each is made of a ``Text`` and has ``encode`` and ``decode``, from text to text.
"""

import io
from typing import Any, Callable, Dict, Set

from ..errors import PruneError
from ..packed.texts import Text


def join_sentencepieces(line: str) -> str:
    return line.replace(" ", "").replace("\u2581", " ").strip()


def join_bpe(line: str, separator: str = "@@") -> str:
    return f"{line} ".replace(f"{separator} ", "").rstrip()


#: What ``--remove-bpe`` takes.
REMOVE_BPE: Dict[str, Callable[[str], str]] = {
    "sentencepiece": join_sentencepieces, "subword_nmt": join_bpe, "@@ ": join_bpe, "@@": join_bpe,
}  # fmt: skip


class Sentencepiece:
    """fairseq's ``--bpe sentencepiece``."""

    def __init__(self, text: Text):
        try:
            from sentencepiece import SentencePieceProcessor
        except ImportError as error:
            raise _missing("a sentencepiece model", "sentencepiece") from error
        self._processor, raw = SentencePieceProcessor(), text.raw or b""
        try:
            loaded = bool(raw) and self._processor.LoadFromSerializedProto(raw)
        except RuntimeError:
            loaded = False
        if not loaded:
            raise PruneError("no sentencepiece model")

    def encode(self, line: str) -> str:
        return " ".join(self._processor.EncodeAsPieces(line))

    decode = staticmethod(join_sentencepieces)

    def pieces(self) -> Set[str]:
        return set(map(self._processor.IdToPiece, range(self._processor.GetPieceSize())))


class SubwordNmt:
    """fairseq's ``--bpe subword_nmt``."""

    def __init__(self, text: Text):
        codes = check_codes(text.raw or b"")
        try:
            from subword_nmt.apply_bpe import BPE
        except ImportError as error:
            raise _missing("BPE codes", "subword-nmt") from error
        self._separator = str(text.options.get("separator", "@@"))
        self._bpe = BPE(io.StringIO(codes), separator=self._separator)

    def encode(self, line: str) -> str:
        return self._bpe.process_line(line)

    def decode(self, line: str) -> str:
        return join_bpe(line, self._separator)


def check_codes(raw: bytes) -> str:
    """The text of BPE codes; the package would end this process where they are none.

    Raises:
        PruneError: they are none.
    """
    try:
        codes = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PruneError("no BPE codes") from error
    lines = codes.rstrip("\n").split("\n")
    merges = lines[1:] if lines[0].startswith("#version:") else lines
    if not merges or any(len(line.strip("\r\n ").split(" ")) != 2 for line in merges):
        raise PruneError("no BPE codes of subword-nmt")
    return codes


class Moses:
    """fairseq's ``--tokenizer moses``."""

    def __init__(self, text: Text):
        try:
            from sacremoses import MosesDetokenizer, MosesTokenizer
        except ImportError as error:
            raise _missing("Moses' tokenizer", "sacremoses") from error
        self._tokenizer = MosesTokenizer(text.language or "en")
        self._detokenizer = MosesDetokenizer(str(text.options.get("target_language") or "en"))
        self._dashes = not text.options.get("no_dash_splits")
        self._escape = not text.options.get("no_escape")

    def encode(self, line: str) -> str:
        return self._tokenizer.tokenize(
            line, aggressive_dash_splits=self._dashes, return_str=True, escape=self._escape
        )

    def decode(self, line: str) -> str:
        return self._detokenizer.detokenize(line.split())


#: By what ``Text.kind`` is.
ENCODERS: Dict[str, Any] = {
    "sentencepiece": Sentencepiece, "subword_nmt": SubwordNmt, "moses": Moses,
}  # fmt: skip


def _missing(what: str, package: str) -> PruneError:
    return PruneError(f"{what}, for which {package} is not installed: pip install {package}")
