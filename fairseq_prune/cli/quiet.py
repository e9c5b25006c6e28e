"""Keeping what libraries say of themselves out of a command's output."""

import contextlib
import logging
import warnings
from typing import Iterator


def quiet_libraries() -> None:
    """For this process: no log lines and warnings of fairseq, hydra, torch and matplotlib.

    hydra sets the root logger to DEBUG whenever fairseq reads options, so levels do not help.
    """
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Meanwhile fairseq, which is imported for the first time, does not tell what it goes without,
    nor torch that what fairseq does is deprecated; whatever is said later is heard."""
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.INFO))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
