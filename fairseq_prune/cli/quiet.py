"""Keeping what libraries say of themselves out of a command's output."""

import logging
import warnings


def quiet_libraries() -> None:
    """For this process: no log lines and warnings of fairseq, hydra, torch and matplotlib.

    hydra sets the root logger to DEBUG whenever fairseq reads options, so levels do not help.
    """
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
