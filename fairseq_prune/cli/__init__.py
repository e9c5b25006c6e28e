"""The command line."""

from .. import plugin  # noqa: F401  (all is registered before)
