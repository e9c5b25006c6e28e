"""Grids of experiments: which points, how each is made and scored, and what they show."""
