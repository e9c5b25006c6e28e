"""A fairseq plugin that prunes sequence-to-sequence models: ``--user-dir fairseq_prune``."""

from . import models  # noqa: F401
