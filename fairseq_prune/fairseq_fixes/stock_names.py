"""Checkpoints of training that any fairseq can read, with this plugin or without."""

import functools

from fairseq.trainer import Trainer

from ..checkpoints.stock_names import with_stock_names


def save_stock_names() -> None:
    """Let training write checkpoints that name fairseq's own task, optimizer and criterion."""
    make_state = Trainer.state_dict

    @functools.wraps(make_state)
    def state_dict(self):
        return with_stock_names(make_state(self))

    Trainer.state_dict = state_dict
