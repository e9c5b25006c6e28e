"""fairseq's dictionaries, ``dict.txt``: a word and its count a line, in the order of numbers."""

import hashlib
from array import array
from typing import Iterable, Iterator, List, Optional, Tuple
from zlib import crc32

import numpy as np

from ..errors import PruneError

#: What comes before the words of the file, with these numbers.
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
BOS, PAD, EOS, UNK = range(len(SPECIAL))
#: At the end of a line: a word that was there before has this number from here on.
OVERWRITE = "#fairseq:overwrite"
_NONE = "its dictionary is none of fairseq's: it is damaged"
#: Share of the words that show how words were cut.
SHOWS = 0.05


class Dictionary:
    """Words and their numbers, in little more memory than their text: a search over sorted
    checksums takes the place of a table of objects."""

    def __init__(self, raw: bytes):
        """
        Args:
            raw: what stands in ``dict.txt``.
        Raises:
            PruneError: it is none.
        """
        special = "".join(SPECIAL).encode()
        self._raw = special + raw
        starts, ends, again = array("L"), array("L"), set()
        for word in SPECIAL:
            starts.append(ends[-1] if ends else 0)
            ends.append(starts[-1] + len(word))
        try:
            at, end = len(special), self._raw.find(b"\n", len(special))
            while end >= 0:  # a list of all lines would take as much memory again
                word, overwrites = _read(self._raw[at:end].decode("utf-8"))
                if overwrites:
                    again.add(len(starts))
                starts.append(at)
                ends.append(at + len(word.encode("utf-8")))
                at, end = end + 1, self._raw.find(b"\n", end + 1)
            self._raw[at:].decode("utf-8")
        except ValueError as error:  # of unpacking, int() and decode()
            raise PruneError(_NONE) from error
        self._starts, self._ends = np.array(starts, np.uint32), np.array(ends, np.uint32)
        keys = np.array([crc32(self._bytes(k)) for k in range(len(starts))], np.uint32)
        self._order = np.argsort(keys, kind="stable").astype(np.uint32)
        self._keys = keys[self._order]
        alike = np.flatnonzero(self._keys[1:] == self._keys[:-1])
        for number in sorted({int(n) for k in alike for n in self._order[k : k + 2]}):
            word = self.symbol(number)
            if number not in again and any(n < number for n in self._numbers(word)):
                raise PruneError(_NONE)

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def symbols(self) -> List[str]:
        """The words, by number."""
        return [self.symbol(number) for number in range(len(self))]

    def symbol(self, number: int) -> str:
        if number >= len(self):
            return SPECIAL[UNK]
        return self._bytes(number).decode("utf-8")

    def index(self, word: str) -> int:
        """The word's number; of a word that is there twice, the later."""
        return max(self._numbers(word), default=UNK)

    def fingerprint(self) -> str:
        return fingerprint(self.symbols)

    def _bytes(self, number: int) -> bytes:
        return self._raw[self._starts[number] : self._ends[number]]

    def _numbers(self, word: str) -> Iterator[int]:
        wanted = word.encode("utf-8", errors="surrogatepass")
        key = np.uint32(crc32(wanted))
        first, last = (np.searchsorted(self._keys, key, side) for side in ("left", "right"))
        for number in self._order[first:last].tolist():
            if self._bytes(number) == wanted:
                yield number


def _read(line: str) -> Tuple[str, bool]:
    """A line's word, and whether it may have been there before."""
    word, count = line.rstrip().rsplit(" ", 1)
    overwrites = count == OVERWRITE
    if overwrites:
        word, count = word.rsplit(" ", 1)
    int(count)
    return word, overwrites


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
