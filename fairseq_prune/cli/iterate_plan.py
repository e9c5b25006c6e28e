"""The rounds that ``fairseq-prune iterate`` is asked for."""

import glob
import os
from typing import Any, Dict, List, Sequence

from ..checkpoints.reading import read_checkpoint
from ..checkpoints.weights import aliases_in, find_record, prunable_weights
from ..errors import OPTION, OptionError
from ..experiments.own_options import OWN_OF_ROUNDS
from ..experiments.rounds import LENGTHS, REWINDS, RoundsPlan
from ..parameters.weight_classes import fairseq_classes
from ..pruning import (
    PruneError,
    check_not_below,
    check_reachable,
    find_scheme,
    find_score,
    masks_of,
    round_sparsities,
    score_name,
    sparsity,
)
from ..pruning.choice import Calibration, Choice
from .choice import choice_of, chooser

#: Options of a round's pruning that are handed on as they are, where they were given.
ASKED = ("score", "floor", "row_floor", "samples", "subset", "seed", "steps")


def plan_of(args) -> RoundsPlan:
    """
    Raises:
        PruneError: an option makes no sense, or a checkpoint cannot be read.
    """
    choice = choice_of(args)
    _check(args)
    # else each round's training has the data
    if args.rewind == "weights":
        chooser(args, choice, args.source, args.sparsity)
    elif args.data is not None:
        raise PruneError("--data is for --rewind weights; a training has its own, leave it out")
    elif choice.needs_data and args.subset is not None:
        _check_subset(args)
    if args.rewind_to is not None:
        read_checkpoint(args.rewind_to)
    _check_lengths(args)
    return RoundsPlan(
        source=args.source,
        out=args.out,
        sparsities=_sparsities(args, choice),
        commands=[args.command],
        scheme=args.scheme,
        asked=_asked(args),
        noted=_noted(args),
        include=args.include,
        exclude=args.exclude,
        rewind=args.rewind,
        rewind_to=args.rewind_to,
        choose=lambda source, target: chooser(args, choice, source, target),
    )


def _check(args) -> None:
    if args.rounds < 1:
        raise PruneError(f"--rounds {args.rounds} is out of range; give 1 or more")
    if args.rounds > 1 and find_scheme(args.scheme).sparsity is not None:
        raise PruneError(
            f"--rounds {args.rounds} prunes to other sparsities on the way, and --scheme "
            f"{args.scheme} has one; give --rounds 1"
        )
    if not args.command or args.command[0].startswith("-"):
        raise PruneError("give the training command of a round after --, e.g. -- fairseq-train")
    if any("hydra" in os.path.basename(word) and "train" in word for word in args.command[:3]):
        raise PruneError("iterate takes fairseq-train and its options, not fairseq-hydra-train")
    for word in _options(args.command):
        if word in OWN_OF_ROUNDS:
            raise PruneError(f"{word} is set by each round; leave it out")
    if args.rewind not in REWINDS:
        raise PruneError(f"--rewind {args.rewind}: choose from {', '.join(REWINDS)}")
    if (
        args.rewind != "weights"
        and find_score(score_name(args.scheme, args.score)).state
        and "--prune-begin" not in _options(args.command)
    ):
        which = "the first" if args.rewind == "none" else "each"
        raise PruneError(
            f"--score {args.score} ranks by what an optimizer remembers, and {which} round begins "
            f"with a new one; add --prune-begin to the training, or give --score fisher or another"
        )
    if (args.rewind == "weights") != (args.rewind_to is not None):
        raise PruneError("--rewind weights and --rewind-to CKPT belong together; give both")


def _check_subset(args) -> None:
    """Raise PruneError where the folder of the training's data has what it trains on and no such
    subset."""
    for word in args.command:
        folder = word.split(os.pathsep)[0]
        if _in_folder(folder, Calibration().subset) and not _in_folder(folder, args.subset):
            raise PruneError(
                f"--subset {args.subset} is not there to calibrate with: {folder} has no such "
                f"subset; name one that is"
            )


def _in_folder(folder: str, subset: str) -> bool:
    return bool(glob.glob(os.path.join(glob.escape(folder), glob.escape(subset) + ".*")))


def _check_lengths(args) -> None:
    if args.rewind == "none" and not any(x in _options(args.command) for x in LENGTHS):
        raise PruneError("--rewind none needs --max-epoch or --max-update, of one round")


def _options(words: List[str]) -> List[str]:
    return [word.split("=")[0] for word in words]


def _sparsities(args, choice: Choice) -> Sequence[float]:
    """Of the rounds.

    Raises:
        PruneError: one cannot be had from what is pruned already, or for its floors.
    """
    state = read_checkpoint(args.source)
    aliases = aliases_in(state, args.source)
    record = find_record(state)
    masks = masks_of(record, state["model"]) if record else {}
    before = 0.0
    if masks:
        before, total = sparsity(masks), sum(mask.numel() for mask in masks.values())
        count = len(set(fairseq_classes(masks, aliases).values()))
        check_not_below(args.source, args.sparsity, round(before * total), total, count)
        # above by as much as is rounded, no round is to ask for more than the last
        before = min(before, args.sparsity)
    sparsities = round_sparsities(args.sparsity, args.rounds, args.spacing, before)
    weights = prunable_weights(state, aliases, args.include, args.exclude)
    classes = fairseq_classes(weights, aliases)
    for r in range(args.rounds, 0, -1):
        try:
            check_reachable(
                weights, classes, choice.scheme, sparsities[r - 1], masks, choice.floors,
                choice.score,
            )  # fmt: skip
        except OptionError as error:
            if r == args.rounds:
                raise
            raise OptionError(
                f"round {r} of {args.rounds}: {error.sentence}, or give fewer {OPTION}rounds"
            ) from error
    return sparsities


def _asked(args) -> Dict[str, Any]:
    options = {name: getattr(args, name) for name in ASKED}
    return {n: v for n, v in options.items() if (v if n == "floor" else v is not None)}


def _noted(args) -> Dict[str, Any]:
    names = ("scheme", "sparsity", "include", "exclude", "rounds", "spacing", "rewind")
    noted = {name: getattr(args, name) for name in names}
    # what a folder of before there were these was made with as well
    noted.update(_asked(args))
    for name in ("source", "rewind_to"):
        path = getattr(args, name)
        noted[name] = path and os.path.abspath(path)
    return noted
