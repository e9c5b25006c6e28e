"""Checkpoints with copies of a transformer's weights, in a fairseq that makes none."""

import functools

from fairseq import checkpoint_utils

from ..parameters.kinds import is_copy


def leave_out_copies() -> None:
    """Read checkpoints without the copies that stock fairseq's transformer makes of its weights.

    It makes them anew whenever it loads a model, and never looks at those in the file;
    fairseq-fixed, which has none, refuses them.
    """
    read = checkpoint_utils.load_checkpoint_to_cpu

    @functools.wraps(read)
    def load_checkpoint_to_cpu(*args, **kwargs):
        state = read(*args, **kwargs)
        model = state.get("model")
        for name in [name for name in model or () if is_copy(name)]:
            del model[name]
        return state

    checkpoint_utils.load_checkpoint_to_cpu = load_checkpoint_to_cpu
