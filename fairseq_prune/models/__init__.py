"""Architectures, and what is known of the weight classes of fairseq's architectures."""

from .. import plugin  # noqa: F401  (all is registered before)
