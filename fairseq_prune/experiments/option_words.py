"""Values of options, as words of a command line."""

import argparse
import ast
from enum import Enum
from typing import Any, List, Optional

from omegaconf import OmegaConf

#: What is not set at all.
MISSING = object()


def plain(value: Any) -> Any:
    """``value`` in Python's own types: lists for tuples, texts for enumerations."""
    if OmegaConf.is_config(value):
        value = OmegaConf.to_container(value, resolve=True)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def same_value(a: Any, b: Any) -> bool:
    """Whether an option is the same with either: a text may be a list's, and what is not set is
    None or off."""
    a, b = (_literal(None if value is MISSING else plain(value)) for value in (a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return bool(a) == bool(b) and not isinstance(a if isinstance(b, bool) else b, (str, list))
    return a == b


def _literal(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return plain(ast.literal_eval(value.strip()))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def words_of_action(action: argparse.Action, value: Any) -> Optional[List[str]]:
    """The words that set an option of a parser to ``value``; None where there are none.

    >>> parser = argparse.ArgumentParser()
    >>> words_of_action(parser.add_argument("--lr", type=lambda x: [float(x)]), [0.5, 0.25])
    ['--lr', '0.5,0.25']
    """
    flag = max(action.option_strings, key=len)
    value = plain(value)
    if action.nargs == 0:
        const = getattr(action, "const", None)
        return [flag] if const is not None and const == value else None
    if value is None:
        return None
    if action.nargs in ("+", "*") or isinstance(action.nargs, int):
        return [flag, *(str(item) for item in (value if isinstance(value, list) else [value]))]
    if isinstance(value, list):
        value = _spelled(value, of_texts=action.type in (None, str))
    word = str(value)
    return [f"{flag}={word}"] if word == "" or word.startswith("-") else [flag, word]


def _spelled(items: list, of_texts: bool) -> str:
    """A list as fairseq reads it: numbers with commas, others as Python writes them; but texts,
    of an option that is a text itself and split later (--lang-pairs), with commas."""
    if items and not of_texts and all(type(item) in (int, float) for item in items):
        return ",".join(map(repr, items))
    if items and of_texts and all(type(item) is str for item in items):
        return ",".join(items)
    return repr(items)
