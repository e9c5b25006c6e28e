"""``--include`` and ``--exclude``, for the verbs that choose weights."""

from ..pruning import any_of, check_pattern


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


def check_selection(args, joined: bool = False) -> None:
    """
    Args:
        joined: whether they go to a training, which makes one pattern of several.
    Raises:
        PruneError: a pattern is wrong.
    """
    for flag, patterns in (("--include", args.include), ("--exclude", args.exclude)):
        for pattern in patterns:
            check_pattern(pattern, flag)
        if joined and patterns:
            any_of(patterns, flag)
