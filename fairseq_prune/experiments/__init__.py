"""Grids of experiments: which points, how each is made and scored, and what they show."""

from .. import plugin  # noqa: F401  (all is registered before)
