"""How fairseq reads checkpoints in this process: ``--path``, ``--finetune-from-model``, ...

Packed files do as well, and so do slimmed checkpoints; what cannot be read is told in a sentence.
"""

import copy
import functools
import tempfile
import types
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Sequence

import torch
from fairseq import checkpoint_utils
from fairseq.trainer import Trainer

from ..checkpoints.form import check_form, is_bare
from ..checkpoints.lazy import LazyTensor, MappedTensor
from ..checkpoints.packed.packed_model import PackedModel
from ..checkpoints.reading import (
    TAKES_SAFE_TYPES,
    allow_safe_types,
    is_zip,
    read_checkpoint,
    read_safely,
)
from ..checkpoints.sentences import catchable, exits
from ..packed.container import is_packed
from .being_read import BeingRead
from .confine import confine
from .encoders import leave_out_encoders
from .slimmed import completed


class _Torch(types.ModuleType):
    """torch as fairseq's checkpoint_utils sees it: ``load`` reads what this plugin can read, and
    keeps that from reaching out."""

    #: whether other checkpoints are mapped rather than read
    maps = False
    #: what is being read, and for which task
    reading = BeingRead()
    #: checkpoints that are in memory, by the paths that they are loaded from
    held: Dict[str, Any] = {}

    def __getattr__(self, name):
        return getattr(torch, name)

    def load(self, file, *args, **kwargs):
        path = getattr(file, "name", file)
        if not isinstance(path, str):
            return torch.load(file, *args, **kwargs)
        with exits():
            if path in self.held:
                state = _copied(self.held[path])
            elif is_packed(path):
                state = lazy_state(PackedModel(path))
            elif self.maps:
                state = mapped_state(path)
            else:
                state = _as_torch_does(path, file, *args, **kwargs)
            state = completed(state)
            if isinstance(state, dict):
                self.reading.note(path, state, confine(path, state))
        return state


#: What stands in fairseq's checkpoint_utils, unless someone has replaced it since.
_seen = _Torch("torch")


def _copied(state: Dict[str, Any]) -> Dict[str, Any]:
    """``state``, of which fairseq may change the options and the names of weights."""
    return {**state, "cfg": copy.deepcopy(state.get("cfg")), "model": dict(state["model"])}


def _as_torch_does(path: str, file: Any, *args, **kwargs) -> Any:
    allow_safe_types()
    try:
        state = torch.load(file, *args, **kwargs)
    except MemoryError:
        raise
    except Exception:  # says why, and knows what another version of numpy has written
        state = read_safely(path)
    if is_bare(state):
        check_form(state, path)
    return state


@contextmanager
def _reading(paths: Sequence[str], task: Any) -> Iterator[BeingRead]:
    before, _seen.reading = _seen.reading, BeingRead(paths, task)
    try:
        yield _seen.reading
    finally:
        _seen.reading = before


def read_packed_files() -> None:
    """Let fairseq load packed files in this process.

    And any checkpoint only with the dictionaries that are noted in it, and confined
    (``confine``): to decode, and to train from.
    """
    checkpoint_utils.torch = _seen
    load, load_in_training = checkpoint_utils.load_model_ensemble_and_task, Trainer.load_checkpoint

    @functools.wraps(load)
    def load_and_check(filenames, arg_overrides=None, task=None, *args, **kwargs):
        with exits(), _reading(filenames, task) as reading:
            try:
                with catchable():
                    models, cfg, loaded = load(filenames, arg_overrides, task, *args, **kwargs)
            except Exception as error:
                explained = reading.explain(error)
                if explained is error:
                    raise
                raise explained from error
            if task is None:
                reading.check(loaded)
                leave_out_encoders(filenames[0], cfg, arg_overrides or {})
        return models, cfg, loaded

    @functools.wraps(load_in_training)
    def load_checkpoint(self, filename, *args, **kwargs):
        with _reading([filename], self.task):
            return load_in_training(self, filename, *args, **kwargs)

    checkpoint_utils.load_model_ensemble_and_task = load_and_check
    Trainer.load_checkpoint = load_checkpoint


def map_checkpoints() -> None:
    """Let fairseq map checkpoints in this process, and read each tensor as it is used."""
    _seen.maps = TAKES_SAFE_TYPES  # torch < 2.4 cannot


@contextmanager
def held(state: Dict[str, Any]) -> Iterator[str]:
    """A path from which fairseq loads ``state`` for a while, a checkpoint that is in memory."""
    with tempfile.NamedTemporaryFile(suffix=".pt") as file:  # fairseq looks whether it is there
        _seen.held[file.name] = state
        try:
            yield file.name
        finally:
            del _seen.held[file.name]


@contextmanager
def opened_once(path: str) -> Iterator[None]:
    """Meanwhile the file at ``path`` is opened and checked once, however often fairseq loads it, if
    it is a packed one."""
    if not is_packed(path):
        yield
        return
    _seen.held[path] = lazy_state(PackedModel(path))
    try:
        yield
    finally:
        del _seen.held[path]


@contextmanager
def mapped_checkpoints() -> Iterator[None]:
    """As ``map_checkpoints``, for a while."""
    before = _seen.maps
    map_checkpoints()
    try:
        yield
    finally:
        _seen.maps = before


def lazy_state(packed: PackedModel) -> Dict[str, Any]:
    """The packed checkpoint, whose tensors are decoded as they are used."""
    return packed.state({name: LazyTensor(tensor) for name, tensor in packed.tensors.items()})


def mapped_state(path: str) -> Dict[str, Any]:
    """The checkpoint, whose matrices are read as they are used."""
    state = read_checkpoint(path)
    if is_zip(path):
        state["model"] = {
            name: LazyTensor(MappedTensor(tensor)) if _is_plain(tensor) else tensor
            for name, tensor in state["model"].items()
        }
    return state


def _is_plain(tensor: Any) -> bool:
    """Whether it is one piece of the file: what is not must stay in memory."""
    return torch.is_tensor(tensor) and tensor.dim() >= 2 and tensor.is_contiguous()
