"""``--store-ema`` that begins with a checkpoint which was trained without."""

import functools
from typing import Any, Dict

from fairseq.trainer import Trainer

from .reading_state import prepared


def start_average_from_any_checkpoint() -> None:
    """Let it begin with the model.

    fairseq means to start the average from the model, which it has deleted by then.
    """
    load = Trainer.load_checkpoint

    @functools.wraps(load)
    def load_checkpoint(self, *args, **kwargs):
        if not self.cfg.ema.store_ema:
            return load(self, *args, **kwargs)
        with prepared(_with_average):
            return load(self, *args, **kwargs)

    Trainer.load_checkpoint = load_checkpoint


def _with_average(state: Dict[str, Any]) -> None:
    state["extra_state"].setdefault("ema", dict(state["model"]))
