"""The one exception of this package: something the caller can put right."""


class PruneError(ValueError):
    """A mistake in what was asked, said in one sentence that names it and the remedy."""
