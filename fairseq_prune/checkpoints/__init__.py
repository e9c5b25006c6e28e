"""Checkpoints of fairseq, read and written safely.

Where fairseq is not installed, packed files can still be read (``packed.packed_model``).
"""

from importlib.util import find_spec

if find_spec("fairseq") is not None:
    from .. import plugin  # noqa: F401  (all is registered before)
