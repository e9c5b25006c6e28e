"""Optimizers that keep pruned weights at zero, and the paper's learning rate schedule."""

from . import luong_lr_scheduler  # noqa: F401  (registers)
from .pruned_optimizer import register_all, register_pruned_optimizer

__all__ = ["register_pruned_optimizer"]

register_all()
