"""Criterions to retrain with: distillation."""

from .. import plugin  # noqa: F401  (all is registered before)
from .distillation import DistillationCriterion

__all__ = ["DistillationCriterion"]
