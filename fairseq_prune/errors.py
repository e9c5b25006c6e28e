"""The one exception of this package: something the caller can put right."""

from .printable import printable


class PruneError(ValueError):
    """A mistake in what was asked, said in one sentence that names it and the remedy."""

    def __init__(self, sentence: object):
        # names and settings of files stand in it
        super().__init__(printable(str(sentence)))
