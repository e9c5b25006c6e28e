"""Tasks that prune: the policy of when, and the --prune-* options."""

from .pruned_task import register_all, register_pruned_task

__all__ = ["register_pruned_task"]

register_all()
