"""The scores by name, and the options of a score in its name."""

import inspect
import re
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, Union

from ..errors import OPTION, OptionError, PruneError
from .fisher import ADAM, FISHER, TAYLOR
from .kron import KRON
from .magnitude import LAMP, MAGNITUDE, STANDARDIZED_MAGNITUDE
from .movement import MOVEMENT
from .obs import OBS
from .patterns import check_pattern
from .random_order import RANDOM
from .score import Score

#: By the name that ``--prune-score`` takes. Add to it to extend.
SCORES: Dict[str, Score] = {
    "magnitude": MAGNITUDE,
    "standardized-magnitude": STANDARDIZED_MAGNITUDE,
    "lamp": LAMP,
    "random": RANDOM,
    "fisher": FISHER,
    "adam": ADAM,
    "taylor": TAYLOR,
    "movement": MOVEMENT,
    "obs": OBS,
    "kron": KRON,
}


def find_score(name: str) -> Score:
    """The score that ``name`` spells: one of ``SCORES``, with options or without.

    Options follow a colon: "fisher:exponent=0.5,damping=0" calls the score's functions with
    these keyword arguments.

    Raises:
        PruneError: there is none, it has no such option, or the value is of another type.
    """
    plain, colon, options = name.partition(":")
    if plain not in SCORES:
        raise OptionError(f"{OPTION}score {name} is unknown; choose from {', '.join(SCORES)}")
    score = SCORES[plain]
    if not isinstance(score, Score):
        raise PruneError(
            f"SCORES['{plain}'] is a {type(score).__name__}; put in a Score, as in Score(function)"
        )
    if not colon:
        return score
    known = _options_of(score)
    given: Dict[str, Any] = {}
    for option in re.split(r",(?=\w+=)", options):  # regular expressions may have commas
        key, equals, value = option.partition("=")
        if not equals or key not in known:
            raise OptionError(f"{OPTION}score {name}: {_usage(plain, known)}")
        if key in given:
            raise OptionError(f"{OPTION}score {name}: {key} is given twice; leave one out")
        kind = type(known[key])
        try:
            given[key] = _PARSERS[kind](value)
        except (ValueError, KeyError):
            wanted = "true or false" if kind is bool else f"a number, such as {known[key]}"
            raise OptionError(f"{OPTION}score {name}: {key} is to be {wanted}") from None
        if kind is str:  # all of these are regular expressions
            check_pattern(value, f"{OPTION}score {plain}: {key}")
        if kind is float and not 0 <= given[key] < float("inf"):
            raise OptionError(f"{OPTION}score {name}: {key} is to be 0 or more")
    return replace(
        score,
        scorers=partial(score.scorers, **given),
        update=score.update and partial(score.update, **given),
        check=score.check and partial(score.check, **given),
    )


def without_data(option: str, name: str) -> OptionError:
    """The error for an ``option`` of data that the score ``name``, which needs none, was given."""
    plain = name.partition(":")[0]
    own = _options_of(SCORES[plain])
    instead = f"give {OPTION}score fisher"
    if option in own:
        instead = f"give {OPTION}score {plain}:{option}={own[option]}, its own"
    return OptionError(
        f"{OPTION}{option} has no meaning with score {name}, which needs no data; leave it out, "
        f"or {instead}"
    )


def _options_of(score: Score) -> Dict[str, object]:
    """The options of a score, and their defaults; what no word can spell is none."""
    parameters = inspect.signature(score.scorers).parameters.values()
    return {p.name: p.default for p in parameters if type(p.default) in _PARSERS}


def _number_or_word(value: str) -> Union[int, float, str, None]:
    """What is given where the default is None; that says nothing of its type."""
    if value == "None":  # as the usage spells it
        return None
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return value


#: By the type of the default, from the word that is given to the value.
_PARSERS: Dict[type, Callable[[str], object]] = {
    bool: lambda value: {"true": True, "false": False}[value.lower()],
    int: int,
    float: float,
    str: str,
    type(None): _number_or_word,
}


def _usage(plain: str, known) -> str:
    if not known:
        return f"{plain} has no options; leave out what follows the colon"
    spelled = ",".join(f"{key}={value}" for key, value in known.items())
    return f"give options of {plain} as in {plain}:{spelled}"
