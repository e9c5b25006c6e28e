"""Tasks that prune: the policy of when, and the --prune-* options."""

from .. import plugin  # noqa: F401  (all is registered before)
from .pruned_task import register_pruned_task

__all__ = ["register_pruned_task"]
