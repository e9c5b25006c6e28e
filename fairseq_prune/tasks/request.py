"""Whether the ``--prune-*`` options that were given make sense together."""

from typing import Any

from ..errors import options_begin_with
from ..pruning import (
    PruneError,
    check_pattern,
    check_request,
    check_schedule,
    check_steps,
    find_scheme,
    find_score,
    score_name,
)
from ..pruning.choice import Calibration
from ..pruning.scores import without_data
from .asked import calibration_of, floors_of, pattern, schedule_options
from .options import DENSE, OPTIONS, PATTERNS, flag


@options_begin_with("--prune-")
def check_options(cfg: Any) -> None:
    """Raise PruneError unless the ``--prune-*`` options make sense."""
    given = given_options(cfg)
    if cfg.prune_mask_from is not None:
        for name in given:
            if name != "prune_mask_from":
                raise PruneError(
                    f"{flag(name)} has no meaning with --prune-mask-from, which takes a mask as "
                    f"it is; leave out one of them"
                )
    elif cfg.prune_scheme == DENSE:
        for name in given:
            if name != "prune_scheme":
                raise PruneError(
                    f"{flag(name)} has no meaning with --prune-scheme {DENSE}, which trains a "
                    f"dense model; leave out one of them"
                )
    elif cfg.prune_scheme is not None:
        _check_request(cfg)
    elif given:
        raise PruneError(
            f"{flag(given[0])} prunes nothing without --prune-scheme; add --prune-scheme "
            f"class-blind, or leave {flag(given[0])} out"
        )


def given_options(cfg: Any) -> list:
    """Names of the options of pruning that are not at their defaults."""
    return [name for name, _, default, _ in OPTIONS if getattr(cfg, name, default) != default]


def _check_request(cfg) -> None:
    only = find_scheme(cfg.prune_scheme).sparsity
    if cfg.prune_sparsity is None:
        raise PruneError(
            f"--prune-scheme needs --prune-sparsity, e.g. --prune-sparsity {only or 0.8}"
        )
    check_request(cfg.prune_scheme, cfg.prune_sparsity, cfg.prune_score)
    floors_of(cfg).check()
    calibration_of(cfg).check()
    _check_calibration(cfg)
    check_steps(cfg.prune_scheme, cfg.prune_steps)
    check_schedule(cfg.prune_schedule, schedule_options(cfg))
    if only is not None and cfg.prune_schedule != "one-shot":
        raise PruneError(
            f"--prune-schedule {cfg.prune_schedule} prunes to other sparsities on the way, and "
            f"--prune-scheme {cfg.prune_scheme} has one; use --prune-schedule one-shot"
        )
    if only is not None and floors_of(cfg).are_asked:
        raise PruneError(
            f"--prune-floor and --prune-row-floor have no meaning with --prune-scheme "
            f"{cfg.prune_scheme}, which keeps as many weights everywhere; leave them out"
        )
    for name in PATTERNS:
        check_pattern(pattern(cfg, name) or "", flag(name))


def _check_calibration(cfg) -> None:
    """Refuse options of the data that a score looks at which it does not need."""
    score = score_name(cfg.prune_scheme, cfg.prune_score)
    if find_score(score).statistic is not None:
        return
    for name in given_options(cfg):
        if name in {f"prune_{of_data}" for of_data in (*Calibration._fields, "steps")}:
            raise without_data(name[len("prune_") :], score)
