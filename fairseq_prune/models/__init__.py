"""Architectures, and what is known of the weight classes of fairseq's architectures."""

from . import pruned_lstm_lm, pruned_lstm_nmt  # noqa: F401  (register)
