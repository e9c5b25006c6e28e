"""How fairseq decodes with the products that are wanted: sparse, int8, or the fastest."""

from .. import plugin  # noqa: F401  (all is registered before)
