"""What argparse makes of options is not always what was meant: a mistyped one is named, whatever
else is wrong with a command, and the values of some are options themselves."""

import argparse
import difflib
import re
from typing import List, Mapping, Optional

#: Options whose values are options of other programs.
OF_OPTIONS = ("--generate", "--command")


def join_values(words: List[str]) -> List[str]:
    """``words`` with each option of ``OF_OPTIONS`` and its value in one.

    argparse takes a value that begins with - for a value only if it has a space in it.

    >>> join_values(["compare", "--generate", "--lenpen=0.6", "--json"])
    ['compare', '--generate=--lenpen=0.6', '--json']
    """
    joined: List[str] = []
    for word in words:
        if joined and joined[-1] in OF_OPTIONS and word != "--":
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def check_options(verbs: Mapping[str, argparse.ArgumentParser], words: List[str]) -> None:
    """End with a sentence if ``words``, VERB and what follows, hold an option that VERB lacks.

    argparse looks for what is required first, and then names that.

    Raises:
        SystemExit: as argparse does.
    """
    if not words or words[0] not in verbs:
        return
    verb = verbs[words[0]]
    known = [name for action in verb._actions for name in action.option_strings]
    takes_command = any(action.nargs == argparse.REMAINDER for action in verb._actions)
    for word in words[1:]:
        if word == "--":
            return
        name = word.split("=")[0]
        # numbers and texts with spaces are values, for argparse too
        if not re.match(r"-[^\d.\s]\S*$", name) or name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
        if takes_command and "--" not in words:
            remedy = "; the training command and its options go after --"
        else:
            remedy = f"; did you mean {close[0]}?" if close else ""
            if takes_options(verb) and not close:
                remedy = "; options of fairseq-train go after --"
        verb.error(f"{name} is no option of {words[0]}{remedy}")


def takes_options(verb: Optional[argparse.ArgumentParser]) -> bool:
    """Whether a verb takes options of another program after ``--``, as ``after``."""
    return verb is not None and verb.get_default("after") is not None
