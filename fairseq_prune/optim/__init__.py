"""Optimizers that keep pruned weights at zero, and the paper's learning rate schedule."""

from .. import plugin  # noqa: F401  (all is registered before)
from .pruned_optimizer import register_pruned_optimizer

__all__ = ["register_pruned_optimizer"]
