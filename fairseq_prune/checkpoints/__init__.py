"""Checkpoints of fairseq, read and written safely."""
