"""Criterions to retrain with: distillation."""
