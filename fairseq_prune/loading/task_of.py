"""The task that a checkpoint was trained on."""

import os
from argparse import Namespace
from typing import Any, Mapping, MutableMapping, Optional

from fairseq import checkpoint_utils, tasks
from fairseq.tasks import FairseqTask
from omegaconf import open_dict

from ..checkpoints.configuration import names_of
from ..checkpoints.data_of import first_folder, no_data
from ..checkpoints.sentences import catchable
from ..checkpoints.values import NotAValue
from ..fairseq_fixes.reading import mapped_checkpoints
from ..pruning import PruneError


def config_of(checkpoint: str, data: Optional[str] = None) -> Any:
    """The configuration of a checkpoint that can be read, with ``data`` for its data folder.

    Raises:
        PruneError: it holds none; see ``confine``.
    """
    overrides = {} if data is None else {"data": data}
    # of an older checkpoint's args, fairseq makes one
    with catchable(), mapped_checkpoints():
        cfg = checkpoint_utils.load_checkpoint_to_cpu(checkpoint, overrides).get("cfg")
    if cfg is None or not cfg.get("task") or not cfg.get("model"):
        raise PruneError(
            f"{checkpoint} does not say what it is the model of; save it with the cfg (or args) of "
            f"its training beside the model"
        )
    return cfg


def options_of(cfg: Any) -> MutableMapping[str, Any]:
    """The options of the task of ``cfg``, also where the task has no dataclass for them."""
    return vars(cfg.task) if isinstance(cfg.task, Namespace) else cfg.task


def task_name(cfg: Any) -> str:
    """What ``--task`` was."""
    options = options_of(cfg)
    return str(options.get("_name") or options.get("task"))


def set_up(cfg: Any, checkpoint: str, changes: Optional[Mapping[str, Any]] = None) -> FairseqTask:
    """The task of ``cfg``, with ``changes`` made to its options.

    Raises:
        PruneError: the data are not there.
    """
    with open_dict(cfg):
        options_of(cfg).update(changes or {})
        if isinstance(cfg.task, Namespace):
            cfg.task.task = task_name(cfg)  # where fairseq looks first
    where = str(options_of(cfg).get("data", ""))
    if not os.path.isdir(first_folder(where)):
        raise no_data(where, checkpoint)
    try:
        with catchable():
            return tasks.setup_task(cfg.task)
    except NotAValue as error:
        names = ", ".join(names_of(error.text, cfg))
        raise PruneError(f"{checkpoint}: its option {names}: {error}") from error
    except Exception as error:  # fairseq raises no narrower one
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PruneError(f"{where} has no data for {checkpoint}: {reason}") from error
