"""Options that are values, and nothing that runs."""

import functools
import os
import sys
from types import ModuleType

import fairseq
from fairseq import utils

from ..checkpoints.sentences import exits
from ..checkpoints.values import value_of

_FOLDER = os.path.dirname(os.path.realpath(fairseq.__file__))


def evaluate_values_only() -> None:
    """Let the options that fairseq gives to ``eval`` be values, and nothing that runs.

    Files hold such options (``encoder_layers`` of a fconv model, say). In each module of fairseq
    a name of its own stands before Python's; in its examples, too, once ``--user-dir`` brings one.
    """
    _replace()
    load = utils.import_user_module

    @functools.wraps(load)
    def import_user_module(args):
        load(args)
        _replace()

    utils.import_user_module = import_user_module


def _evaluate(text):
    with exits():
        return value_of(text)


def _replace() -> None:
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and _is_fairseqs(module):
            vars(module)["eval"] = _evaluate


def _is_fairseqs(module: ModuleType) -> bool:
    path = getattr(module, "__file__", None) or ""
    return module.__name__.split(".")[0] == "fairseq" or _is_inside(path)


def _is_inside(path: str) -> bool:
    # asked of thousands of modules whenever a user's folder is imported: their folders are few
    if os.path.islink(path):
        path = os.path.realpath(path)
    return _real(os.path.dirname(path)).startswith(_FOLDER + os.sep)


@functools.lru_cache(maxsize=None)
def _real(folder: str) -> str:
    return os.path.join(os.path.realpath(folder), "")
