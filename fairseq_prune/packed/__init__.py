"""The packed format: a pruned model in little more than its mask's entropy and its values.

Reading it with numpy alone, for who has neither torch nor fairseq. ``checkpoints.packed`` makes
packed files of checkpoints, and checkpoints of packed files.
"""
