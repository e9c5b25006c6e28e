"""Regular expressions that say which parameters are meant."""

import re
from typing import Sequence

from ..errors import OptionError, PruneError

#: What means another group when other groups come before it.
_REFERENCE = re.compile(r"\\[1-9]|\(\?P=|\(\?\(")


def check_pattern(pattern: str, where: str) -> None:
    """Raise PruneError unless it is a regular expression.

    Args:
        where: the option or the key that it was given in.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise OptionError(f"{where} {pattern!r} is no regular expression: {error}") from error


def any_of(patterns: Sequence[str], where: str) -> str:
    """One pattern that matches where any of several does.

    >>> any_of(["embedding", "^softmax:"], "--exclude")
    'embedding|^softmax:'

    Raises:
        PruneError: one of several is no regular expression, or cannot stand beside others.
    """
    if len(patterns) == 1:
        return patterns[0]
    for pattern in patterns:
        check_pattern(pattern, where)
        # flags such as (?i) hold for the whole, and groups are counted through it
        if re.compile(pattern).flags != re.UNICODE or _REFERENCE.search(pattern):
            raise PruneError(
                f"{where} {pattern!r} cannot be joined with other patterns, for its flags or "
                f"references to groups; give one pattern that matches what all of them do"
            )
    joined = "|".join(patterns)
    check_pattern(joined, where)  # two groups of one name
    return joined
