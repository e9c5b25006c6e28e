"""Shortlists (``packed.shortlist``) of a model's training data."""

from .. import plugin  # noqa: F401  (all is registered before)
