"""Checkpoints to packed files and back, tensor by tensor."""
