"""``--user-dir fairseq_prune`` where it has been imported before."""

import functools
import os

from fairseq import utils


def know_this_package() -> None:
    """Let ``--user-dir`` name this package where it was imported before.

    fairseq looks for its folder as it wrote it itself, ``.../fairseq/../fairseq_prune``, and
    does not find it among the folders of the package.
    """
    load = utils.import_user_module
    package = __package__.split(".")[0]
    here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

    @functools.wraps(load)
    def import_user_module(args):
        named = getattr(args, "user_dir", None)
        if named is None or (named != package and os.path.realpath(named) != here):
            load(args)

    utils.import_user_module = import_user_module
