"""``fairseq-prune VERB``: what is done with checkpoint files and around training runs."""

import argparse
import contextlib
import sys
from importlib import import_module
from types import ModuleType
from typing import List, Mapping, Optional

from .. import __version__
from .mistakes import mistakes_in_a_sentence
from .quiet import quiet_imports
from .say import say_progress
from .signals import Interruption, interruptible
from .unknown_options import check_options, join_values, takes_options

#: Each verb, the module of its name, and what it does: importing all of them takes seconds.
VERBS = {
    "compress": "from a trained checkpoint to a small one, in one command",
    "prune": "prune a checkpoint",
    "factorize": "make a language model's matrices of smaller ones",
    "inspect": "say what a checkpoint holds",
    "pack": "store a model in few bytes",
    "unpack": "make a checkpoint of a packed model",
    "translate": "translate with a packed model, without fairseq and torch",
    "score": "score text with a packed language model, likewise",
    "compare": "decode with each runtime",
    "iterate": "prune and retrain in rounds, with rewinding",
    "distill": "have a model translate the training set, for others to learn from",
    "average": "average checkpoints that share a mask",
    "report": "show where the redundancy is: a page with figures, and the numbers as JSON",
    "grid": "run experiments over schemes, sparsities and seeds, and draw what they show",
    "methods": "compress a language model in several ways and compare them",
    "options": "list what fairseq-train takes with this plugin besides",
}


class _Parser(argparse.ArgumentParser):
    """Takes options by their whole names, and names an unknown one first."""

    verbs: Mapping[str, argparse.ArgumentParser] = {}

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)

    def parse_args(self, args=None, namespace=None):
        words = list(sys.argv[1:] if args is None else args)
        at = words.index("--") if "--" in words else len(words)
        words = [*join_values(words[:at]), *words[at:]]
        check_options(self.verbs, words)
        # argparse would give options after the last argument of a verb to its rest, too
        takes_after = bool(words) and takes_options(self.verbs.get(words[0]))
        at = words.index("--") if takes_after and "--" in words else len(words)
        parsed = super().parse_args(words[:at], namespace)
        if takes_after:
            parsed.after = words[at + 1 :]
        return parsed


def build_parser(words: List[str]) -> argparse.ArgumentParser:
    """
    Args:
        words: what will be parsed; only the verb among them gets its options.
    """
    parser = _Parser(
        prog="fairseq-prune", description="Prune fairseq models and look at what was pruned."
    )
    parser.add_argument("--version", action="version", version=f"fairseq-prune {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    parser.verbs = verbs.choices
    used = next((word for word in words if word in VERBS), None)
    for name, does in VERBS.items():
        if name != used:
            verbs.add_parser(name, help=does)
            continue
        _module(name).add_to(verbs)
        verbs.choices[name].add_argument(
            "--user-dir",
            metavar="DIR",
            help="folder of a fairseq plugin of your own to import first, with its schemes, "
            "scores, tasks or architectures",
        )
    return parser


def _module(verb: str) -> ModuleType:
    try:
        return import_module(f".{verb}", __package__)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(__package__.split(".")[0]):
            raise
        sys.exit(
            f"fairseq-prune: error: {verb} needs {error.name}, which is not installed: install "
            f"fairseq-prune with all that it requires"
        )


def main(argv: Optional[List[str]] = None) -> None:
    words = sys.argv[1:] if argv is None else argv
    args = build_parser(words).parse_args(words)
    try:
        with mistakes_in_a_sentence("fairseq-prune"):
            if args.user_dir is not None:
                with quiet_imports():
                    from ..user_dir import import_plugin  # which needs fairseq

                import_plugin(args.user_dir)
            with interruptible():
                args.run(args)
    except Interruption as error:
        goes_on = f"; the same command goes on in {args.out}" if "goes_on" in args else ""
        with contextlib.suppress(OSError):  # the terminal is closed
            say_progress(f"interrupted{goes_on}")
        sys.exit(128 + error.number)
    except BrokenPipeError:
        sys.stderr.close()


if __name__ == "__main__":
    main()
