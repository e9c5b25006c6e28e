"""``fairseq-prune VERB``: what is done with checkpoint files and around training runs."""

import argparse
import sys
from typing import List, Optional

from ..pruning import PruneError
from . import average, compare, factorize, grid, inspect, iterate, methods, pack, prune, report


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fairseq-prune", description="Prune fairseq models and look at what was pruned."
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in (prune, factorize, inspect, pack, compare, iterate, average, report, grid, methods):
        verb.add_to(verbs)
    return parser


def main(argv: Optional[List[str]] = None) -> None:
    args = build_parser().parse_args(argv)
    try:
        args.run(args)
    except PruneError as error:
        sys.exit(f"fairseq-prune: error: {error}")
    except BrokenPipeError:
        sys.stderr.close()


if __name__ == "__main__":
    main()
