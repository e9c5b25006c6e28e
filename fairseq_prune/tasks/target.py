"""Whether a run can reach what it is asked for, before any data is read."""

from typing import Any, Dict, Optional

from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask
from torch import Tensor

from ..errors import options_begin_with
from ..parameters.ties import Aliases, aliases_of
from ..parameters.weight_classes import fairseq_classes, fairseq_prunable
from ..pruning import check_reachable, find_score, masks_of, score_name
from ..pruning.choice import Calibration
from ..pruning.score import no_statistics
from .asked import chooses_masks, floors_of, pattern
from .calibration_data import dataset_of
from .optimizer_statistics import check_remembers, nothing_remembered
from .options import PATTERNS
from .run_record import is_continued
from .start import starting_checkpoint
from .ways_to_train import optimizer_class


@options_begin_with("--prune-")
def check_target(cfg: Any, previous: Optional[Dict[str, Any]], model: BaseFairseqModel) -> None:
    """Raise PruneError where the end of the schedule cannot be had, or the score: some weights
    are frozen, or the optimizer remembers nothing to rank by.

    Args:
        cfg: config of the task.
        previous: record of the mask that the run starts with, if any.
    """
    if not chooses_masks(cfg) or (previous is not None and is_continued(cfg, previous)):
        return
    named, aliases = dict(model.named_parameters()), aliases_of(model)
    chosen = prunable(cfg, named, aliases)
    _check_score(cfg, chosen)
    check_reachable(
        chosen,
        fairseq_classes(chosen, aliases),
        cfg.prune_scheme,
        cfg.prune_sparsity,
        masks_of(previous, named) if previous else {},
        floors_of(cfg),
        cfg.prune_score,
    )


def check_subset(cfg: Any, task: FairseqTask) -> None:
    """Raise PruneError where the data that the score looks at are not there."""
    # what it trains on, fairseq misses itself
    if chooses_masks(cfg) and cfg.prune_subset != Calibration().subset:
        if find_score(score_name(cfg.prune_scheme, cfg.prune_score)).statistic is not None:
            dataset_of(task, cfg.prune_subset)


def _check_score(cfg: Any, chosen: Dict[str, Tensor]) -> None:
    name = score_name(cfg.prune_scheme, cfg.prune_score)
    score = find_score(name)
    if score.state is not None:
        check_remembers(score.state, optimizer_class(cfg))
        at_once = cfg.prune_schedule != "gradual" and not cfg.prune_begin
        begins_anew = starting_checkpoint(cfg) == cfg.finetune_from_model or cfg.reset_optimizer
        if at_once and begins_anew:
            raise nothing_remembered(score.state)
    for weight, parameter in chosen.items():
        if score.needs_statistics and not parameter.requires_grad:
            raise no_statistics(weight, name, score)


def prunable(cfg: Any, named: Dict[str, Tensor], aliases: Aliases) -> Dict[str, Tensor]:
    """Those of the parameters ``named`` that the options ask for."""
    given = (pattern(cfg, name) for name in PATTERNS)
    include, exclude = ([] if one is None else [one] for one in given)
    return fairseq_prunable(named, include, exclude, aliases)
