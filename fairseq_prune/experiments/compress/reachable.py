"""Whether rounds can prune as they are asked to, before any of them trains."""

from argparse import Namespace
from typing import Any, Dict, List, Optional

from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask

from ...pruning import PruneError
from ...tasks.request import check_options
from ...tasks.target import check_subset, check_target
from ..recipes import Recipe
from ..training_options import parse_training


def check_prunings(
    command: List[str],
    recipe: Recipe,
    sparsity: float,
    record: Optional[Dict[str, Any]],
    model: BaseFairseqModel,
    task: FairseqTask,
) -> None:
    """Raise PruneError where the last round's training would.

    Args:
        command: options of each round's training.
        sparsity: the last round's.
        record: of the checkpoint's mask, if it has one.
        model, task: the checkpoint's.
    """
    asked = {
        "prune_scheme": recipe.scheme,
        "prune_score": recipe.score,
        "prune_sparsity": sparsity,
    }
    cfg = Namespace(**{**vars(parse_training(command)[1]), **asked})
    try:
        check_options(cfg)
        check_target(cfg, record if record and record["masks"] else None, model)
        check_subset(cfg, task)
    except PruneError as error:
        said = str(error)
        for name in ("sparsity", "score"):  # which are this command's own
            said = said.replace(f"--prune-{name}", f"--{name}")
        raise PruneError(said) from error
