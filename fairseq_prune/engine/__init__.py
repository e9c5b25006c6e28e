"""Translating with packed files: needs numpy alone, and neither torch nor fairseq."""
