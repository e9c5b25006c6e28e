"""A model of a checkpoint or packed file with the products to decode with."""

from argparse import Namespace
from typing import Any, Dict, Mapping, Optional, Tuple

from fairseq import checkpoint_utils
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask
from omegaconf import open_dict

from ..checkpoints.reading import read_checkpoint
from ..checkpoints.sentences import catchable
from ..fairseq_fixes.being_read import are_other_shapes
from ..fairseq_fixes.own_weights import encode_with_own_weights
from ..fairseq_fixes.reading import opened_once
from ..packed.container import is_packed
from ..pruning import PruneError
from ..runtime.convert import check_runtime
from .task_of import config_of, set_up, task_name


def load(
    path: str, data: Optional[str], runtime: str, options: Optional[Mapping[str, Any]] = None
) -> Tuple[BaseFairseqModel, Any, FairseqTask]:
    """The model at ``path``, on the CPU, its configuration and its task.

    Args:
        data: folder with the dictionaries; None for the one it was trained on.
        runtime: as ``--prune-runtime``.
        options: of the task, in the place of those it was trained with.
    Raises:
        PruneError: the file is damaged, the data are not there or have other dictionaries.
    """
    check_runtime(runtime)
    if not is_packed(path):
        read_checkpoint(path)  # says what is wrong with it
    with opened_once(path):
        return _load(path, data, runtime, dict(options or {}))


def _load(
    path: str, data: Optional[str], runtime: str, changes: Dict[str, Any]
) -> Tuple[BaseFairseqModel, Any, FairseqTask]:
    cfg = config_of(path, data)
    _decode_here(cfg)
    if runtime != "dense":
        name = task_name(cfg)
        pruned = name if name.startswith("pruned_") else f"pruned_{name}"
        changes.update(_name=pruned, prune_runtime=runtime)
    task = set_up(cfg, path, changes)
    try:
        with catchable():
            models, cfg, task = checkpoint_utils.load_model_ensemble_and_task([path], task=task)
    except PruneError:
        raise
    except Exception as error:  # whatever the building of a model makes of its options
        used = "" if data is None else f" with DATA {data}"
        raise PruneError(f"{path} cannot be used{used}: {_reason(error)}") from error
    encode_with_own_weights(models[0])
    return models[0].eval(), cfg, task


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().split("\n")]
    if are_other_shapes(error) and lines[1:]:  # the first names the class of the model alone
        return (
            f"{lines[1].rstrip('.')}; where that is an embedding or the softmax, take data with "
            f"the dictionaries that it was trained with"
        )
    return lines[0] or type(error).__name__


def _decode_here(cfg: Any) -> None:
    """What the model was trained on says nothing of where it decodes: on the CPU, in float32."""
    here = {"cpu": True, "fp16": False, "bf16": False}
    with open_dict(cfg):
        cfg.common.update(here)
        if isinstance(cfg.task, Namespace):  # which has the options of all sections
            vars(cfg.task).update(here)
