"""Which models compete for ``checkpoint_best.pt`` and count for ``--patience``.

Only those at the target sparsity: a denser one scores better and is not what was asked
for. fairseq keeps both scores as attributes of the functions that use them, and forgets
the one of ``--patience`` when a run is interrupted.
"""

import sys
from typing import NamedTuple, Optional

from fairseq.checkpoint_utils import save_checkpoint

#: no number of validations gets there from here
_NEVER = -(10**9)


class EarlyStopping(NamedTuple):
    """What ``--patience`` remembers: the best score, and validations without a better one."""

    best: Optional[float] = None
    runs: int = 0

    @classmethod
    def now(cls) -> "EarlyStopping":
        for function in _early_stopping():
            best = getattr(function, "best", None)
            return cls(best, getattr(function, "num_runs", 0))
        return cls()

    def restore(self) -> None:
        for function in _early_stopping():
            function.best, function.num_runs = self


def suspend_model_selection(maximize: bool) -> None:
    """From here on, no model is the best, and none is the last straw."""
    unbeatable = float("inf") if maximize else float("-inf")
    save_checkpoint.best = unbeatable
    EarlyStopping(unbeatable, _NEVER).restore()


def restart_model_selection() -> None:
    """Forget the scores of all models so far."""
    if hasattr(save_checkpoint, "best"):
        del save_checkpoint.best
    EarlyStopping().restore()


def _early_stopping():
    """fairseq's function of ``--patience``, in fairseq-train or in ``python train.py``."""
    for module in ("fairseq_cli.train", "__main__"):
        function = getattr(sys.modules.get(module), "should_stop_early", None)
        if function is not None:
            yield function
