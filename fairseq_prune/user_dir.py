"""A fairseq plugin of the user's own: schemes, scores, tasks, architectures."""

import glob
import os
import sys
from argparse import Namespace
from typing import List, Optional

from fairseq.utils import import_user_module

from .pruning import PruneError


def import_plugin(folder: str) -> None:
    """Import it as fairseq does; nothing if it is this package, wherever it lies.

    Raises:
        PruneError: it is not there, or cannot be imported.
    """
    if is_this_package(folder):
        return
    try:
        import_user_module(Namespace(user_dir=folder))
    except FileNotFoundError as error:
        raise PruneError(f"--user-dir {folder} does not exist") from error
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise PruneError(f"--user-dir {folder} cannot be imported: {reason}") from error


def is_this_package(folder: str) -> bool:
    return os.path.basename(os.path.normpath(folder)) == __package__


def user_dir_in(words: List[str]) -> Optional[str]:
    """The ``--user-dir`` among the options of a training."""
    for word, following in zip(words, [*words[1:], None]):
        if word == "--user-dir":
            return following
        if word.startswith("--user-dir="):
            return word.partition("=")[2]
    return None


def check_prunes(folder: str) -> None:
    """Raise PruneError if the plugin there, which is imported, nowhere names this package: of
    trainings with it as ``--user-dir``, the pruned tasks are not known."""
    if is_this_package(folder):
        return
    name = os.path.basename(os.path.abspath(folder))
    # fairseq looks for it in more places than one
    for place in getattr(sys.modules.get(name), "__path__", [folder]):
        for path in glob.iglob(os.path.join(glob.escape(place), "**", "*.py"), recursive=True):
            with open(path, encoding="utf-8", errors="replace") as f:
                if __package__ in f.read():
                    return
    raise PruneError(
        f"--user-dir {folder} does not import {__package__}, so that trainings with it cannot "
        f"prune; add import {__package__} to its __init__.py"
    )


def import_plugin_of(words: List[str], where: str) -> None:
    """Import the ``--user-dir`` among the options of a training, if there is one.

    Raises:
        PruneError: as ``import_plugin``, with ``where`` the options are.
    """
    folder = user_dir_in(words)
    if folder is None:
        return
    try:
        import_plugin(folder)
    except PruneError as error:
        raise PruneError(f"{where}: {error}") from error
