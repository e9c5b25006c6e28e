"""``--include`` and ``--exclude``, for the verbs that choose weights."""

import re

from ..pruning import PruneError


def add_selection(parser) -> None:
    for flag, text in (
        ("--include", "count also what this matches although it is no weight matrix"),
        ("--exclude", "leave out what this matches"),
    ):
        parser.add_argument(
            flag,
            action="append",
            default=[],
            metavar="REGEX",
            help=f"{text}, in 'CLASS: PARAMETER NAME'; may be given several times",
        )


def check_selection(args) -> None:
    for pattern in args.include + args.exclude:
        try:
            re.compile(pattern)
        except re.error as error:
            raise PruneError(f"{pattern!r} is no regular expression: {error}") from error
