"""The task that a checkpoint was trained on."""

import os
from typing import Any, Mapping, Optional

from fairseq import checkpoint_utils, tasks
from fairseq.tasks import FairseqTask
from omegaconf import open_dict

from ..pruning import PruneError


def config_of(checkpoint: str, data: Optional[str] = None) -> Any:
    """The configuration of a checkpoint that can be read, with ``data`` for its data folder."""
    overrides = {} if data is None else {"data": data}
    return checkpoint_utils.load_checkpoint_to_cpu(checkpoint, overrides)["cfg"]


def set_up(cfg: Any, checkpoint: str, changes: Optional[Mapping[str, Any]] = None) -> FairseqTask:
    """The task of ``cfg``, with ``changes`` made to its options.

    Raises:
        PruneError: the data are not there.
    """
    with open_dict(cfg):
        cfg.task.update(changes or {})
    where = str(cfg.task.get("data", ""))
    if not os.path.isdir(where.split(os.pathsep)[0]):
        raise PruneError(f"there is no folder {where} with the data of {checkpoint}")
    try:
        return tasks.setup_task(cfg.task)
    except Exception as error:  # fairseq raises no narrower one
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PruneError(f"{where} has no data for {checkpoint}: {reason}") from error
