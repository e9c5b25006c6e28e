"""Where the redundancy is: See et al. 2016, sections 3.3, 4.1 and 4.5, for any checkpoint."""

from .. import plugin  # noqa: F401  (all is registered before)
