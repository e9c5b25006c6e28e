"""What verbs share that read lines of text, of a file or standard input."""

import contextlib
import io
import sys
from typing import BinaryIO, Iterable, Iterator, List, Optional, TextIO, Tuple

from ..errors import PruneError


def add_reading(verb) -> None:
    """What is read, ``text``, and how."""
    verb.add_argument(
        "text",
        metavar="TEXT",
        nargs="?",
        help="file in UTF-8 to read (default: standard input)",
    )
    verb.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="lines to read at once (default: 32; 1 from a terminal)",
    )
    verb.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads (default: OMP_NUM_THREADS, or one a processor)",
    )


def batch_size(args) -> int:
    """
    Raises:
        PruneError: it is none.
    """
    typed = args.text is None and sys.stdin.isatty()
    size = (1 if typed else 32) if args.batch_size is None else args.batch_size
    if size < 1:
        raise PruneError(f"--batch-size {size}: give 1 or more")
    return size


@contextlib.contextmanager
def lines_in_and_out(text: Optional[str]) -> Iterator[Tuple[TextIO, TextIO]]:
    """File ``text``, or else standard input, and standard output, in UTF-8, whose lines end in a
    newline alone.

    Raises:
        PruneError: the file cannot be read.
    """
    with _opened(text) as stream:
        # what is not UTF-8 is an unknown word, no reason to stop
        source = io.TextIOWrapper(stream, "utf-8", errors="replace", newline="\n")
        target = io.TextIOWrapper(sys.stdout.buffer, "utf-8", newline="\n", write_through=True)
        try:
            yield source, target
        finally:
            source.detach(), target.detach()


@contextlib.contextmanager
def _opened(text: Optional[str]) -> Iterator[BinaryIO]:
    if text is None:
        yield sys.stdin.buffer
        return
    try:
        stream = open(text, "rb")
    except OSError as error:
        raise PruneError(f"{text} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


def batches(lines: Iterable[str], size: int) -> Iterator[List[str]]:
    """Lines without their ends, ``size`` at a time."""
    batch: List[str] = []
    for line in lines:
        batch.append(line.rstrip("\r\n"))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
