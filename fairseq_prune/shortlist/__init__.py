"""Shortlists (``packed.shortlist``) of a model's training data."""
