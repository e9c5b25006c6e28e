"""From a trained checkpoint to a small one: pruned in rounds, packed, scored, described."""
