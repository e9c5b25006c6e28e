"""Texts in a packed file: dictionaries, and what cuts text into their words.

``content["texts"]`` says of each its kind and more, such as its language; its bytes lie in the
entry ``text:NAME``, if it has any, and there only once.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional

from ..errors import PruneError
from .container import Container

#: Those there can be: two dictionaries, pieces of words, what cuts sentences into words.
SOURCE, TARGET, SUBWORD, TOKENIZER = NAMES = ("source", "target", "subword", "tokenizer")

DICTIONARY = "dictionary"
#: Kinds of the others, by fairseq's names.
SUBWORDS, TOKENIZERS = ("sentencepiece", "subword_nmt"), ("moses",)


@dataclass(frozen=True)
class Text:
    """One of them.

    Attributes:
        raw: its bytes; None: its options are all there is.
        language: of the text it is for.
        options: what else there is to know, in what JSON can hold.
    """

    kind: str
    raw: Optional[bytes] = None
    language: Optional[str] = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def described(self) -> Dict[str, Any]:
        """For JSON; what is None is left out."""
        said = {"kind": self.kind, "language": self.language, **self.options}
        if self.raw is not None:
            said["sha256"] = hashlib.sha256(self.raw).hexdigest()
        return {key: value for key, value in said.items() if value is not None}


def entry_of(name: str) -> str:
    return f"text:{name}"


def read_texts(container: Container) -> Dict[str, Text]:
    """Those in a file, by name; none if it was packed without.

    Raises:
        PruneError: they are damaged.
    """
    try:
        texts = container.content.get("texts", {})
        return {name: _read(container, name, dict(said)) for name, said in texts.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, PruneError):
            raise
        raise PruneError(
            f"{container.path} is damaged: it does not say what its texts are"
        ) from error


def _read(container: Container, name: str, said: Dict[str, Any]) -> Text:
    kind, language = said.pop("kind"), said.pop("language", None)
    if type(kind) is not str or not isinstance(language, (str, type(None))):
        raise TypeError("kind or language")
    digest, entry, raw = said.pop("sha256", None), said.pop("same_as", name), None
    if digest is not None:
        raw = container.read(entry_of(entry)).tobytes()
        if hashlib.sha256(raw).hexdigest() != digest:
            raise PruneError(f"{container.path} is damaged: its text {name} is another")
    return Text(kind, raw, language, said)
