"""Text in, numbers of words out, and back, as ``fairseq-interactive`` does it."""

from typing import Any, Iterable, List, Optional

from ..errors import PruneError
from ..packed.container import Container
from ..packed.dictionary import BOS, EOS, Dictionary
from ..packed.texts import NAMES, SOURCE, SUBWORD, TARGET, TOKENIZER, Text, read_texts
from .encoders import ENCODERS, REMOVE_BPE


class Texts:
    """What turns text into a model's numbers, and numbers into text.

    Attributes:
        source, target: dictionaries; a language model's are the same.
    """

    def __init__(self, container: Container):
        """
        Raises:
            PruneError: the file was packed without dictionaries, has others than its model,
                or needs a package that is not there.
        """
        texts, path = read_texts(container), container.path
        if not {SOURCE, TARGET} <= set(texts):
            raise PruneError(
                f"{path} was packed without its dictionaries; pack it again with --data DIR, the "
                f"folder of data that it was trained on"
            )
        unknown = sorted(set(texts) - set(NAMES))
        if unknown:
            raise PruneError(
                f"{path} has {unknown[0]}, which this version does not know; install a later "
                f"fairseq_prune"
            )
        self.source = _dictionary(container, texts[SOURCE])
        shared = texts[SOURCE].raw == texts[TARGET].raw
        self.target = self.source if shared else _dictionary(container, texts[TARGET])
        for side, dictionary in ((SOURCE, self.source), (TARGET, self.target)):
            _check_side(container, side, dictionary)
        self._tokenizer, self._subword = (
            _encoder(path, texts.get(name)) for name in (TOKENIZER, SUBWORD)
        )

    @property
    def symbols(self) -> List[str]:
        """The words of the target, by number."""
        return self.target.symbols

    def split(self, line: str) -> List[str]:
        """Words, or pieces of words, that ``encode`` looks up and ``--replace-unk`` copies."""
        line = line.strip()
        for encoder in filter(None, (self._tokenizer, self._subword)):
            line = encoder.encode(line)
        return line.split()

    def encode(self, line: str) -> List[int]:
        """The numbers of a line's words in the source's dictionary, and the sentence's end."""
        return [*map(self.source.index, self.split(line)), EOS]

    def words(self, numbers: Iterable[int]) -> List[str]:
        """The target's words with these numbers, without the sentence's beginning and end."""
        return [self.target.symbol(number) for number in numbers if number not in (BOS, EOS)]

    def join(self, words: Iterable[str], remove_bpe: Optional[str] = None) -> str:
        """Words, or pieces of words, as a line.

        Args:
            remove_bpe: a key of ``REMOVE_BPE``, in place of what the file has.
        """
        line = " ".join(words)
        if remove_bpe is not None:
            line = REMOVE_BPE[remove_bpe](line)
        elif self._subword is not None:
            line = self._subword.decode(line)
        return line if self._tokenizer is None else self._tokenizer.decode(line)

    def decode(self, numbers: Iterable[int], remove_bpe: Optional[str] = None) -> str:
        """The line of some numbers in the target's dictionary; what is unknown is ``<unk>``."""
        return self.join(self.words(numbers), remove_bpe)


def _dictionary(container: Container, text: Text) -> Dictionary:
    try:
        return Dictionary(text.raw or b"")
    except PruneError as error:
        raise PruneError(f"{container.path}: {error}") from error


def _check_side(container: Container, side: str, dictionary: Dictionary) -> None:
    noted = container.content.get("dictionaries")
    fingerprint = dictionary.fingerprint()
    if isinstance(noted, dict) and noted.get(side, fingerprint) != fingerprint:
        raise PruneError(f"{container.path} is damaged: its {side} dictionary is not its model's")


def _encoder(path: str, text: Optional[Text]) -> Any:
    if text is None:
        return None
    if text.kind not in ENCODERS:
        raise PruneError(
            f"{path} cuts its texts by {text.kind}, which this version cannot do; install a later "
            f"fairseq_prune"
        )
    try:
        return ENCODERS[text.kind](text)
    except PruneError as error:
        raise PruneError(f"{path} holds {error}") from error
