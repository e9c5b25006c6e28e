"""Whether what a file holds has the form of a fairseq checkpoint."""

from argparse import Namespace
from typing import Any

import torch
from torch import Tensor

from ..pruning import PruneError, check_record
from ..pruning.prune import RANKED
from .weights import find_record

#: Of what each part is, where it is there. None is fairseq's "not there".
PARTS = {
    "args": Namespace,
    "cfg": dict,
    "optimizer_history": list,
    "task_state": dict,
    "extra_state": dict,
    "last_optimizer_state": dict,
}


def check_form(state: Any, path: str) -> None:
    """Raise PruneError unless ``state`` is a checkpoint with a model of dense tensors, and what it
    records of a pruning fits that.

    Anything but the model may be missing, as in checkpoints that were made small to be published.
    """
    if is_bare(state):
        raise PruneError(
            f"{path} holds no model but a bare state dict, which does not say what it is the model "
            f"of; save it as the model of a dict that has the cfg (or args) of its training beside "
            f"it"
        )
    if not isinstance(state, dict) or not isinstance(state.get("model"), dict):
        raise PruneError(f"{path} is no fairseq checkpoint: it holds no model")
    model = state["model"]
    if not all(isinstance(name, str) for name in model) or not any(
        map(torch.is_tensor, model.values())
    ):
        raise PruneError(f"{path} is no fairseq checkpoint: its model is no state dict")
    for part, kind in PARTS.items():
        if not isinstance(state.get(part), (kind, type(None))):
            raise PruneError(f"{path} is no fairseq checkpoint: its {part} is no {kind.__name__}")
    for name, tensor in model.items():
        if torch.is_tensor(tensor) and not _is_dense(tensor):
            raise PruneError(
                f"{path}: {name} is stored as {_storage(tensor)}; save the checkpoint again with "
                f"dense tensors of float32, float16 or bfloat16"
            )
    record = find_record(state)
    if record is not None:
        try:
            check_record(record, model)
        except PruneError as error:
            raise PruneError(f"{path}: {error}") from error


def is_bare(state: Any) -> bool:
    """Whether it is a state dict itself, and not a checkpoint that has one."""
    return isinstance(state, dict) and bool(state) and all(map(torch.is_tensor, state.values()))


def _is_dense(tensor: Tensor) -> bool:
    return (
        tensor.layout == torch.strided
        and not tensor.is_quantized
        and not tensor.is_nested
        and not tensor.is_meta
        and (tensor.dtype in RANKED or not tensor.is_floating_point())
    )


def _storage(tensor: Tensor) -> str:
    kind = str(tensor.dtype if tensor.layout == torch.strided else tensor.layout)
    return kind.replace("torch.", "")
