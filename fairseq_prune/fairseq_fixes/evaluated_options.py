"""Options that are values, and nothing that runs."""

import sys

from ..checkpoints.sentences import exits
from ..checkpoints.values import value_of


def evaluate_values_only() -> None:
    """Let the options that fairseq gives to ``eval`` be values, and nothing that runs.

    Files hold such options (``encoder_layers`` of a fconv model, say). In each module of fairseq
    a name of its own stands before Python's.
    """

    def evaluate(text):
        with exits():
            return value_of(text)

    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "fairseq" and module is not None:
            vars(module)["eval"] = evaluate
