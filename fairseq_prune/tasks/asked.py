"""What the ``--prune-*`` options of a run ask for."""

from typing import Optional

from ..pruning import Floors, any_of
from ..pruning.choice import Calibration
from .options import DENSE, flag


def is_asked(cfg) -> bool:
    """Whether the options ask to prune, or to train under a mask."""
    return cfg.prune_scheme not in (None, DENSE) or cfg.prune_mask_from is not None


def chooses_masks(cfg) -> bool:
    """Whether the run chooses masks of its own."""
    return is_asked(cfg) and cfg.prune_mask_from is None


def pattern(cfg, name: str) -> Optional[str]:
    """The regular expression of an option of ``PATTERNS``: of a list in YAML, one for all.

    Raises:
        PruneError: those of a list cannot be one.
    """
    given = getattr(cfg, name)
    if given is None or isinstance(given, str):
        return given
    return any_of([str(one) for one in given], flag(name)) if given else None


def calibration_of(cfg) -> Calibration:
    """The data that a score looks at."""
    return Calibration(cfg.prune_subset, cfg.prune_samples, cfg.prune_seed)


def floors_of(cfg) -> Floors:
    return Floors(cfg.prune_floor, cfg.prune_row_floor)


def schedule_options(cfg) -> dict:
    """What ``pruning.make_schedule`` takes, from a task's config."""
    return {
        "rounds": cfg.prune_rounds,
        "spacing": cfg.prune_spacing,
        "begin": cfg.prune_begin,
        "every": cfg.prune_every,
        "end": cfg.prune_end,
    }
