"""The command line: options, and what is wrong with them in one sentence."""

import argparse
import sys
from pathlib import Path
from typing import List, Optional

from cells import CELLS
from mnist import UserError

from fairseq_prune.pruning import check_request, find_scheme

SPARSITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)
RETRAIN_SPARSITIES = (0.7, 0.8, 0.9, 0.95)
#: of options whose default depends on the images: for the digits, for MNIST
DEFAULTS = {"epochs": (30, 5), "retrain_epochs": (12, 1), "batch": (32, 64)}


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        sys.exit(f"prune_digits: error: {message}")


def number(least: int):
    """An argparse type: a whole number that is not below ``least``."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text} is no whole number")
        if not least <= value < 2**31:
            raise argparse.ArgumentTypeError(f"{text} is out of range; give {least} or more")
        return value

    return read


def sparsity(text: str) -> float:
    """An argparse type: a fraction in [0, 1)."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no number")
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(
            f"{text} is outside [0, 1); it is the fraction of weights to prune, e.g. 0.8"
        )
    return value


def build_parser() -> Parser:
    parser = Parser(
        prog="prune_digits",
        description="Train networks that read digits a row at a step, prune them, retrain them.",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="folder for tables and figures")
    add(
        "--mnist",
        metavar="DIR",
        help="folder with MNIST's four idx files, plain or .gz\n"
        "(default: the digits that come with scikit-learn)",
    )
    add("--cells", nargs="+", choices=CELLS, default=list(CELLS), help="(default: all three)")
    add(
        "--layers", nargs="+", type=number(1), default=[1, 2, 3], metavar="N",
        help="numbers of layers (default: 1 2 3)",
    )  # fmt: skip
    add(
        "--seeds", nargs="+", type=number(0), default=[1, 2], metavar="N",
        help="of the split, the first weights and the order of images (default: 1 2)",
    )  # fmt: skip
    for option, what in (
        ("epochs", "of training"),
        ("retrain_epochs", "of retraining at each sparsity"),
        ("batch", "images in an update"),
    ):
        digits, mnist = DEFAULTS[option]
        add(
            f"--{option.replace('_', '-')}", type=number(1), metavar="N",
            help=f"{what} (default: {digits}; with --mnist {mnist})",
        )  # fmt: skip
    add(
        "--sparsities", nargs="+", type=sparsity, default=SPARSITIES, metavar="X",
        help=f"to prune to, without retraining\n(default: {_shown(SPARSITIES)})",
    )  # fmt: skip
    add(
        "--retrain-sparsities", nargs="+", type=sparsity, default=RETRAIN_SPARSITIES, metavar="X",
        help="to prune to and retrain; 0: the dense network, trained on\n"
        f"(default: {_shown(RETRAIN_SPARSITIES)})",
    )  # fmt: skip
    add(
        "--scheme", default="class-blind",
        help="class-blind (default), class-uniform, class-distribution or n:m",
    )  # fmt: skip
    add(
        "--schedule", choices=("iterative", "one-shot"), default="iterative",
        help="retrain at each sparsity from the network retrained at the one before (default),\n"
        "or each from the dense network",
    )  # fmt: skip
    add("--jobs", type=number(1), default=2, metavar="N", help="processes (default: 2)")
    return parser


def parse(argv: Optional[List[str]] = None) -> argparse.Namespace:
    """The options, lists in order and each value once; ends with a sentence if they are wrong.

    Raises:
        UserError, PruneError: values that are wrong together.
    """
    args = build_parser().parse_args(argv)
    only = find_scheme(args.scheme).sparsity
    for option in ("sparsities", "retrain_sparsities"):
        values = sorted(set(getattr(args, option)))
        if only is not None and values != [only]:
            raise UserError(
                f"--scheme {args.scheme} prunes to {only:g} alone; give --sparsities {only:g} "
                f"--retrain-sparsities {only:g}"
            )
        for value in values:
            check_request(args.scheme, value)
        setattr(args, option, tuple(values))
    # what is retrained is shown before it, too
    args.sparsities = tuple(sorted({*args.sparsities, *args.retrain_sparsities} - {0.0}))
    for option, defaults in DEFAULTS.items():
        if getattr(args, option) is None:
            setattr(args, option, defaults[args.mnist is not None])
    args.cells = [cell for cell in CELLS if cell in args.cells]
    args.layers, args.seeds = sorted(set(args.layers)), sorted(set(args.seeds))
    return args


def _shown(values) -> str:
    return " ".join(f"{value:g}" for value in values)
