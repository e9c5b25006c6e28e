"""The packed format: a pruned model in little more than its mask's entropy and its values."""
