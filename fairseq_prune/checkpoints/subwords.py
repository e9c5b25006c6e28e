"""Models and codes that cut text into pieces of words, as files."""

import os
from typing import Iterable, List, Optional, Tuple

from ..engine.encoders import Sentencepiece, check_codes
from ..errors import OPTION, OptionError, PruneError
from ..packed.dictionary import SPECIAL, cut_by
from ..packed.texts import Text

#: Names in data folders, {} for the source's language: of scripts/prepare_data.py, and those that
#: fairseq's hub takes for its models.
USUAL = {
    "sentencepiece": ("spm.{}.model", "spm.model", "sentencepiece.bpe.model"),
    "subword_nmt": ("bpecodes", "code"),
}
#: Share of a dictionary's words that pieces of a model are, if the one was made with the other.
FITS = 0.5


def read_subword(kind: str, path: str, language: Optional[str]) -> Text:
    """
    Args:
        kind: one of ``SUBWORDS``.
        language: of what it cuts.
    Raises:
        PruneError: there is no such file, or it is no such thing.
    """
    try:
        with open(path, "rb") as f:
            raw = f.read()
    except OSError as error:
        raise PruneError(f"cannot read {path}: {error.strerror or error}") from error
    text = Text(kind, raw, language)
    try:
        if kind == "sentencepiece":
            Sentencepiece(text)
        else:
            check_codes(raw)
    except PruneError as error:
        raise PruneError(f"{path} holds {error}") from error
    return text


def _fits(text: Text, words: List[str]) -> bool:
    """Whether ``words`` are those of a dictionary of text that was cut so."""
    if text.kind != "sentencepiece":
        return cut_by(words) == text.kind
    pieces = Sentencepiece(text).pieces()
    words = words[len(SPECIAL) :]
    return sum(word in pieces for word in words) > FITS * len(words)


def subword_in(folder: str, kind: str, language: Optional[str]) -> Text:
    """The one in a folder of data.

    Raises:
        PruneError: there is none.
    """
    names = _usual(kind, language)
    for name in names:
        if os.path.isfile(os.path.join(folder, name)):
            return read_subword(kind, os.path.join(folder, name), language)
    raise OptionError(
        f"{OPTION}bpe {kind}: {folder} has no {', '.join(names)}; give {OPTION}bpe-codes FILE"
    )


def fitting_subword(
    folder: str, kinds: Iterable[str], language: Optional[str], words: List[str]
) -> Optional[Tuple[str, Text]]:
    """The first in a folder of data that fits its dictionary, and where it lies."""
    for kind in kinds:
        for name in _usual(kind, language):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                try:
                    text = read_subword(kind, path, language)
                except PruneError:  # something else by that name
                    continue
                if _fits(text, words):
                    return path, text
    return None


def _usual(kind: str, language: Optional[str]) -> List[str]:
    names = USUAL.get(kind, ())
    return [name.format(language) for name in names if language is not None or "{}" not in name]
