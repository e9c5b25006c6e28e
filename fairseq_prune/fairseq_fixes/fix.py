"""One fault of fairseq's, and what is changed for it."""

import inspect
import re
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Callable, Optional, Tuple

import fairseq

from ..checkpoints.sentences import exits
from ..pruning import PruneError

#: Where a fairseq keeps the names of the fixes it has got: with fairseq itself, so that another
#: copy of this package does not apply them once more.
_APPLIED = "_fairseq_prune_fixes"
#: Of a fix that is made for everyone.
ALWAYS = "always"


@dataclass(frozen=True)
class Fix:
    """
    Attributes:
        name: of the file here that makes it (``safe_types``: ``checkpoints.reading``).
        fault: what goes wrong without it, in a sentence.
        where: versions with the fault.
        targets: what of fairseq is replaced or relied on: ``module:name.of.it``, of a function with
            the parameters relied on: ``fairseq.trainer:Trainer.load_checkpoint(filename)``.
        shown_by: the test that shows the fault in a fairseq without this package or, where that is
            no more than that something is missing, what the change is for.
        apply: makes it; None for what is made elsewhere.
        when: for whom it is made.
    """

    name: str
    fault: str
    where: str
    targets: Tuple[str, ...]
    shown_by: str
    apply: Optional[Callable[[], None]] = None
    when: str = ALWAYS


def apply_once(fix: Fix) -> None:
    """Make ``fix`` in this process, unless it has been made.

    Raises:
        SystemExit: (of a PruneError) this fairseq has no such thing to change.
    """
    applied = vars(fairseq).setdefault(_APPLIED, set())
    if fix.name in applied:
        return
    check_targets(fix)
    if fix.apply is not None:
        fix.apply()
    applied.add(fix.name)


def check_targets(fix: Fix) -> None:
    """
    Raises:
        SystemExit: as ``apply_once``.
    """
    with exits():
        for target in fix.targets:
            check_target(target, fix)


def check_target(target: str, fix: Fix) -> None:
    """Raise PruneError unless this fairseq has ``target``, of the shape that ``fix`` expects."""
    form = re.fullmatch(r"([^({]+)(?:\((.*)\))?(?:\{(.*)\})?", target)
    assert form is not None, target
    path, parameters, names = form.groups()
    value = find_target(path)
    lacks = value is None
    if value is not None and parameters:
        has = inspect.signature(inspect.unwrap(value)).parameters
        lacks = any(name not in has for name in parameters.split(", "))
    if value is not None and names:
        words = re.findall(r"\w+", inspect.getsource(inspect.unwrap(value)))
        lacks = lacks or not set(names.split(", ")) <= set(words)
    if lacks:
        raise PruneError(
            f"fairseq {fairseq.__version__} has no {target}, which this package changes, for "
            f"{fix.fault}; install fairseq 0.12.2 or fairseq-fixed 0.12.3"
        )


def find_target(path: str) -> Any:
    """What is at ``module:name.of.it``; None if there is nothing."""
    module, _, names = path.partition(":")
    try:
        value = import_module(module)
        for name in names.split("."):
            value = getattr(value, name)
    except (ImportError, AttributeError):
        return None
    return value
