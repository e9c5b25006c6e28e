"""fairseq's dictionaries, ``dict.txt``: a word and its count a line, in the order of numbers."""

import hashlib
from typing import Dict, Iterable, List, Optional

from ..errors import PruneError

#: What comes before the words of the file, with these numbers.
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
BOS, PAD, EOS, UNK = range(len(SPECIAL))
#: At the end of a line: a word that was there before has this number from here on.
OVERWRITE = "#fairseq:overwrite"
#: Share of the words that show how words were cut.
SHOWS = 0.05


class Dictionary:
    """Words and their numbers.

    Attributes:
        symbols: the words, by number.
        indices: word -> number; of a word that is there twice, the later.
    """

    def __init__(self, raw: bytes):
        """
        Args:
            raw: what stands in ``dict.txt``.
        Raises:
            PruneError: it is none.
        """
        self.symbols: List[str] = list(SPECIAL)
        self.indices: Dict[str, int] = {word: number for number, word in enumerate(SPECIAL)}
        try:
            for line in raw.decode("utf-8").split("\n")[:-1]:
                self._add(line)
        except ValueError as error:  # of unpacking, int() and decode()
            raise PruneError("its dictionary is none of fairseq's: it is damaged") from error

    def _add(self, line: str) -> None:
        word, count = line.rstrip().rsplit(" ", 1)
        again = count == OVERWRITE
        if again:
            word, count = word.rsplit(" ", 1)
        int(count)
        if word in self.indices and not again:
            raise ValueError(word)
        self.indices[word] = len(self.symbols)
        self.symbols.append(word)

    def symbol(self, number: int) -> str:
        return self.symbols[number] if number < len(self.symbols) else SPECIAL[UNK]

    def index(self, word: str) -> int:
        return self.indices.get(word, UNK)

    def fingerprint(self) -> str:
        return fingerprint(self.symbols)


def cut_by(symbols: List[str]) -> Optional[str]:
    """What cut the text of a dictionary into pieces of words, where some of them show it:
    SentencePiece's begin with \u2581, subword-nmt's end with @@."""
    for kind, shown in (
        ("sentencepiece", sum(word.startswith("\u2581") for word in symbols)),
        ("subword_nmt", sum(word.endswith("@@") for word in symbols)),
    ):
        if shown > SHOWS * len(symbols):
            return kind
    return None


def fingerprint(symbols: Iterable[str]) -> str:
    """SHA-256 over the symbols in order, which says whether two dictionaries are the same."""
    return hashlib.sha256("\n".join(symbols).encode("utf-8")).hexdigest()


def dictionary_text(symbols: List[str], counts: List[int]) -> bytes:
    """What ``Dictionary`` reads ``symbols`` from: of a dictionary that a file was read into, or
    that was saved, that file.

    Raises:
        PruneError: there are words in it that no such file can hold.
    """
    seen, lines = set(SPECIAL), []
    for word, count in list(zip(symbols, counts))[len(SPECIAL) :]:
        lines.append(f"{word} {count}{f' {OVERWRITE}' if word in seen else ''}\n")
        seen.add(word)
    try:
        raw = "".join(lines).encode("utf-8")
        same = Dictionary(raw).symbols == list(symbols)
    except (UnicodeEncodeError, PruneError):
        same = False
    if not same:
        raise PruneError("a dictionary has words that no dict.txt can hold")
    return raw
