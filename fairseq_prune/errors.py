"""The exceptions of this package: something the caller can put right."""

import re
from contextlib import contextmanager
from typing import Iterator

from .printable import printable

#: Stands in the sentence of an ``OptionError`` before an option's name, for what the user has
#: written there: "--", "--prune-", or nothing and "_" for "-", as in Python and in YAML.
OPTION = "\0"


class PruneError(ValueError):
    """A mistake in what was asked, said in one sentence that names it and the remedy."""

    def __init__(self, sentence: object):
        # names and settings of files stand in it
        super().__init__(printable(str(sentence)))


class OptionError(PruneError):
    """A mistake in an option, found where its name is known and not how the user spelled it.

    Args:
        sentence: with ``OPTION`` before each option's name.
    """

    def __init__(self, sentence: str):
        super().__init__(
            re.sub(f"{OPTION}([a-z-]+)", lambda match: match[1].replace("-", "_"), sentence)
        )
        self.sentence = sentence


@contextmanager
def options_begin_with(prefix: str) -> Iterator[None]:
    """Within it, an ``OptionError`` is raised as a ``PruneError`` that spells options so."""
    try:
        yield
    except OptionError as error:
        raise PruneError(error.sentence.replace(OPTION, prefix)) from error
