"""Whether a run can reach what it is asked for, before any data is read."""

from typing import Any, Dict, Optional

from fairseq.models import BaseFairseqModel
from torch import Tensor

from ..errors import options_begin_with
from ..parameters.ties import Aliases, aliases_of
from ..parameters.weight_classes import fairseq_classes, fairseq_prunable
from ..pruning import check_reachable, find_score, masks_of, score_name
from .asked import chooses_masks, floors_of, pattern
from .optimizer_statistics import nothing_remembered
from .options import PATTERNS
from .run_record import is_continued
from .start import starting_checkpoint


@options_begin_with("--prune-")
def check_target(cfg: Any, previous: Optional[Dict[str, Any]], model: BaseFairseqModel) -> None:
    """Raise PruneError where the end of the schedule cannot be had, or its beginning: a new
    optimizer remembers nothing to rank by.

    Args:
        cfg: config of the task.
        previous: record of the mask that the run starts with, if any.
    """
    if not chooses_masks(cfg) or (previous is not None and is_continued(cfg, previous)):
        return
    state = find_score(score_name(cfg.prune_scheme, cfg.prune_score)).state
    at_once = cfg.prune_schedule != "gradual" and not cfg.prune_begin
    if state is not None and at_once and starting_checkpoint(cfg) == cfg.finetune_from_model:
        raise nothing_remembered(state)
    named, aliases = dict(model.named_parameters()), aliases_of(model)
    chosen = prunable(cfg, named, aliases)
    check_reachable(
        chosen,
        fairseq_classes(chosen, aliases),
        cfg.prune_scheme,
        cfg.prune_sparsity,
        masks_of(previous, named) if previous else {},
        floors_of(cfg),
        cfg.prune_score,
    )


def prunable(cfg: Any, named: Dict[str, Tensor], aliases: Aliases) -> Dict[str, Tensor]:
    """Those of the parameters ``named`` that the options ask for."""
    given = (pattern(cfg, name) for name in PATTERNS)
    include, exclude = ([] if one is None else [one] for one in given)
    return fairseq_prunable(named, include, exclude, aliases)
