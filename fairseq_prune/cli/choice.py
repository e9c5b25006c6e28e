"""``--scheme``, ``--score`` and what belongs to them, for the verbs that prune."""

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional

from ..checkpoints.choose import choose_by_weights
from ..checkpoints.prune_file import Choose
from ..pruning import (
    SCHEMES,
    SCORES,
    Floors,
    PruneError,
    check_request,
    check_steps,
    score_name,
)
from ..pruning.choice import Calibration, Choice
from ..pruning.scores import without_data
from .say import say_progress

if TYPE_CHECKING:
    from ..analysis.ranking import Ranking

#: Options that a score without data has no use for.
_OF_DATA = ("data", *Calibration._fields, "steps")


def add_choice(parser, sparsity: Optional[float] = None) -> None:
    """
    Args:
        sparsity: what it is where none is given; None: it has to be.
    """
    parser.add_argument(
        "--scheme",
        default="class-blind",
        help=f"how pruning is distributed over the weight classes: {', '.join(SCHEMES)}; "
        "or n:m, e.g. 2:4: the n largest of each m neighbours in a row are kept "
        "(default: %(default)s)",
    )
    usual = "" if sparsity is None else f" (default: {sparsity})"
    parser.add_argument(
        "--sparsity",
        type=float,
        required=sparsity is None,
        default=sparsity,
        help=f"fraction of weights to prune, in [0, 1){usual}",
    )
    parser.add_argument(
        "--score",
        help=f"what weights are ranked by: {', '.join(SCORES)} (default: magnitude, and "
        "standardized-magnitude for class-distribution); options of a score follow a colon: "
        "fisher:exponent=0.5,damping=0",
    )
    parser.add_argument(
        "--floor",
        type=float,
        default=0.0,
        help="least fraction of each weight class to keep (default: %(default)s)",
    )
    parser.add_argument(
        "--row-floor",
        type=float,
        help="least fraction of each row of each matrix to keep; a row of an embedding or the "
        "softmax is a word, elsewhere an output unit (default: a fifth of the fraction that is "
        "left for fisher, adam, taylor, obs and kron, none for other scores)",
    )


def add_data(parser, when: str = "") -> None:
    """The data that scores look at.

    Args:
        when: only then there is to be ``--data``.
    """
    parser.add_argument(
        "--data",
        metavar="DATA",
        help=f"{when}binarised data, for scores that need some (fisher, kron, ...)",
    )
    usual = Calibration().subset
    parser.add_argument("--subset", help=f"part of DATA to look at (default: {usual})")
    add_samples(parser, "it")


def add_samples(parser, of: str) -> None:
    """How much of the data scores look at."""
    usual = Calibration()
    parser.add_argument(
        "--samples",
        type=int,
        help=f"sentences (of a language model: blocks) of {of} to look at (default: 1024, and "
        "4096 for kron)",
    )
    parser.add_argument("--seed", type=int, help=f"which of them are drawn (default: {usual.seed})")
    parser.add_argument(
        "--steps",
        type=int,
        help="prunings on the way, the data looked at anew in each (default: 1)",
    )


def choice_of(args) -> Choice:
    """What the options ask for.

    Raises:
        PruneError: they make no sense; the option is named.
    """
    check_request(args.scheme, args.sparsity, score=args.score)
    floors = Floors(args.floor, args.row_floor)
    floors.check()
    if floors.are_asked and ":" in args.scheme:
        raise PruneError(
            f"--floor and --row-floor have no meaning with --scheme {args.scheme}, which keeps as "
            f"many weights everywhere; leave them out"
        )
    given: Dict[str, Any] = {name: getattr(args, name, None) for name in _OF_DATA}
    calibration = Calibration()._replace(
        **{n: given[n] for n in Calibration._fields if given[n] is not None}
    )
    calibration.check()
    steps = 1 if given["steps"] is None else given["steps"]
    check_steps(args.scheme, steps)
    choice = Choice(args.scheme, args.score, floors, calibration, steps)
    for name, value in given.items():
        if value is not None and not choice.needs_data:
            raise without_data(name, score_name(args.scheme, args.score))
    return choice


def chooser(args, choice: Choice, source: str, target: float) -> Choose:
    """What chooses the weights of ``source``, saying how far it is.

    Raises:
        PruneError: the score needs data that were not given.
    """
    if not choice.needs_data:
        return choose_by_weights(source, choice, target)
    from ..analysis.choose import choose_for  # which needs fairseq: it takes seconds

    return choose_for(source, choice, target, args.data, _progress(choice))


def ranker(args, choice: Choice, source: str) -> "Callable[[], Ranking]":
    """What gives the ranking of ``source`` by the score of ``choice``, found once, and says how
    far it is."""
    from ..analysis.ranking import ranking_of

    once = choice._replace(steps=1)
    return lru_cache(maxsize=None)(lambda: ranking_of(source, once, args.data, _progress(once)))


def _progress(choice: Choice) -> Callable[[int, int, float], None]:
    """Says every few seconds how far the calibration is."""
    begun = said = time.monotonic()

    def progress(step: int, done: int, share: float) -> None:
        nonlocal said
        if time.monotonic() - said < 5:
            return
        said = time.monotonic()
        so_far = (step - 1 + share) / choice.steps
        left = (said - begun) * (1 - so_far) / so_far
        steps = f"step {step} of {choice.steps}, " if choice.steps > 1 else ""
        say_progress(f"{steps}{done} sentences, {share:.0%}, {left:.0f} s left")

    return progress
