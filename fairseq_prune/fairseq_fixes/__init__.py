"""All that this package changes in fairseq, for the process that imports it.

One file a fault; ``table`` lists them: what each changes, why, in which versions, and the test that
shows the fault in a fairseq without it. What only adds to fairseq is registered elsewhere, and
fairseq never learns of this package but by ``--user-dir``.
"""

from .. import plugin  # noqa: F401  (all is registered before)
