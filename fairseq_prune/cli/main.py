"""``fairseq-prune VERB``: what is done with checkpoint files and around training runs."""

import argparse
import contextlib
import sys
from typing import List, Optional

from ..pruning import PruneError
from ..user_dir import import_plugin
from . import (
    average,
    compare,
    compress,
    distill,
    factorize,
    grid,
    inspect,
    iterate,
    methods,
    pack,
    prune,
    report,
)
from .say import say_progress
from .signals import Interruption, interruptible
from .unknown_options import check_options, takes_options


class _Parser(argparse.ArgumentParser):
    """Takes options by their whole names, and names an unknown one first."""

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)

    def parse_args(self, args=None, namespace=None):
        words = sys.argv[1:] if args is None else list(args)
        check_options(self.verbs, words)
        # argparse would give options after the last argument of a verb to its rest, too
        takes_after = bool(words) and takes_options(self.verbs.get(words[0]))
        at = words.index("--") if takes_after and "--" in words else len(words)
        found = super().parse_args(words[:at], namespace)
        if takes_after:
            found.after = words[at + 1 :]
        return found


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fairseq-prune", description="Prune fairseq models and look at what was pruned."
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    parser.verbs = verbs.choices
    for verb in (
        compress, prune, factorize, inspect, pack, compare, iterate, distill, average, report, grid,
        methods,
    ):  # fmt: skip
        verb.add_to(verbs)
    for verb in verbs.choices.values():
        verb.add_argument(
            "--user-dir",
            metavar="DIR",
            help="folder of a fairseq plugin of your own to import first, with its schemes, "
            "scores, tasks or architectures",
        )
    return parser


def main(argv: Optional[List[str]] = None) -> None:
    args = build_parser().parse_args(argv)
    try:
        if args.user_dir is not None:
            import_plugin(args.user_dir)
        with interruptible():
            args.run(args)
    except Interruption as error:
        goes_on = f"; the same command goes on in {args.out}" if "goes_on" in args else ""
        with contextlib.suppress(OSError):  # the terminal is closed
            say_progress(f"interrupted{goes_on}")
        sys.exit(128 + error.number)
    except PruneError as error:
        sys.exit(f"fairseq-prune: error: {error}")
    except BrokenPipeError:
        sys.stderr.close()


if __name__ == "__main__":
    main()
