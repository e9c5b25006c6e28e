"""Models of checkpoints and packed files, and their tasks, made by fairseq in this process."""

from .. import plugin  # noqa: F401  (all is registered before)
