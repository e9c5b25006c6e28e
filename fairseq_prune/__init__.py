"""A fairseq plugin that prunes sequence-to-sequence models: ``--user-dir fairseq_prune``."""

from . import models, optim, tasks  # noqa: F401
from .checkpoints.broadcast import allow_broadcast
from .checkpoints.safe_io import allow_in_fairseq
from .optim import register_pruned_optimizer
from .tasks import register_pruned_task

__all__ = ["register_pruned_optimizer", "register_pruned_task"]

allow_in_fairseq()
allow_broadcast()
