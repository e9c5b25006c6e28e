"""What verbs share that read lines of text from standard input."""

import contextlib
import io
import sys
from typing import Iterable, Iterator, List, TextIO, Tuple

from ..errors import PruneError


def add_batching(verb) -> None:
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
    size = (1 if sys.stdin.isatty() else 32) if args.batch_size is None else args.batch_size
    if size < 1:
        raise PruneError(f"--batch-size {size}: give 1 or more")
    return size


@contextlib.contextmanager
def lines_in_and_out() -> Iterator[Tuple[TextIO, TextIO]]:
    """Standard input and output in UTF-8, whose lines end in a newline alone."""
    # what is not UTF-8 is an unknown word, no reason to stop
    source = io.TextIOWrapper(sys.stdin.buffer, "utf-8", errors="replace", newline="\n")
    target = io.TextIOWrapper(sys.stdout.buffer, "utf-8", newline="\n", write_through=True)
    try:
        yield source, target
    finally:
        source.detach(), target.detach()


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
