"""A fairseq plugin of the user's own: schemes, scores, tasks, architectures."""

import os
from argparse import Namespace
from typing import List

from fairseq.utils import import_user_module

from .pruning import PruneError


def import_plugin(folder: str) -> None:
    """Import it as fairseq does; nothing if it is this package, wherever it lies.

    Raises:
        PruneError: it is not there, or cannot be imported.
    """
    if os.path.basename(os.path.normpath(folder)) == __package__:
        return
    try:
        import_user_module(Namespace(user_dir=folder))
    except FileNotFoundError as error:
        raise PruneError(f"--user-dir {folder} does not exist") from error
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise PruneError(f"--user-dir {folder} cannot be imported: {reason}") from error


def import_plugin_of(words: List[str], where: str) -> None:
    """Import the ``--user-dir`` among the options of a training, if there is one.

    Raises:
        PruneError: as ``import_plugin``, with ``where`` the options are.
    """
    if "--user-dir" not in words[:-1]:
        return
    try:
        import_plugin(words[words.index("--user-dir") + 1])
    except PruneError as error:
        raise PruneError(f"{where}: {error}") from error
