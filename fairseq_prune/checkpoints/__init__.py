"""Checkpoints of fairseq, read and written safely, without fairseq.

fairseq takes seconds to import, so nothing here does but where a file cannot be understood
otherwise: in functions, and by then this package is complete.
"""
