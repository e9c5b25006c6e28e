"""Which words of a sentence and of its translation belong together, by eflomal or as in a file.

eflomal: Östling and Tiedemann 2016, "Efficient word alignment with Markov Chain Monte Carlo".
"""

import os
import tempfile
from contextlib import ExitStack
from typing import Iterable, Iterator, List, Tuple

from ..pruning import PruneError
from .count import Links

Sentence = List[int]


def read_links(path: str) -> Iterator[Links]:
    """A line for each pair of sentences, such as ``0-0 1-2``: places in the source and target.

    Raises:
        PruneError: there is no such file, or it has other lines.
    """
    try:
        with open(path) as f:
            for number, line in enumerate(f, 1):
                try:
                    yield [_link(word) for word in line.split()]
                except ValueError:
                    raise PruneError(
                        f"--alignments {path}: line {number:,} is not of the form 0-0 1-2"
                    ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise PruneError(f"--alignments {path}: {reason}") from error


def _link(word: str) -> Tuple[int, int]:
    source, target = map(int, word.split("-"))
    if source < 0 or target < 0:
        raise ValueError(word)
    return source, target


def find_links(pairs: Iterable[Tuple[Sentence, Sentence]]) -> Iterator[Links]:
    """By eflomal, what it finds from the source and what it finds from the target.

    Raises:
        PruneError: it is not installed, or does not work.
    """
    try:
        from eflomal import Aligner
    except ImportError as error:
        raise PruneError(
            "--shortlist needs eflomal, which says what words are each other's translations: "
            "pip install eflomal; or give --alignments"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        texts = [os.path.join(folder, side) for side in ("source", "target")]
        links = [os.path.join(folder, way) for way in ("forwards", "backwards")]
        with ExitStack() as stack:
            files = [stack.enter_context(open(text, "w")) for text in texts]
            for pair in pairs:
                for f, sentence in zip(files, pair):
                    f.write(" ".join(map(str, sentence)) + "\n")
        with ExitStack() as stack:
            source, target = (stack.enter_context(open(text)) for text in texts)
            try:
                Aligner().align(
                    source, target, links_filename_fwd=links[0], links_filename_rev=links[1]
                )
            except Exception as error:  # it says of none which they are
                raise PruneError(f"eflomal does not work here: {error}") from error
        for both in zip(*map(read_links, links)):
            yield sorted(set().union(*both))
