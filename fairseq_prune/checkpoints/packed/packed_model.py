"""A packed file, opened: what the checkpoint held, each tensor decoded when it is wanted."""

from typing import Any, Dict, Mapping

import torch

from ...packed.container import Container
from ...packed.described import describe, describe_model
from ...pruning import RECORD_KEY, PruneError
from .plain import from_json
from .read_tensor import PackedTensor

#: Where fingerprints stand: in the record of a pruning run, or in a checkpoint beside its model.
DICTIONARIES_KEY = "dictionaries"


class PackedModel:
    """A packed file that is whole.

    Attributes:
        tensors: name -> ``PackedTensor``, the very same one for tied weights.
        dictionaries: name -> fingerprint.
    """

    def __init__(self, path: str):
        """
        Raises:
            PruneError: the file is missing, damaged, foreign, of another version, or claims to
                be larger than it can be.
        """
        self._container = container = Container(path)
        try:
            self._read(container)
        except PruneError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise PruneError(f"{path} is damaged: its description is not complete") from error

    def _read(self, container: Container) -> None:
        content = container.content
        self.dictionaries: Dict[str, str] = dict(content["dictionaries"])
        beside = [describe(container, f"state:{k}", s) for k, s in enumerate(content["loose"])]
        described = describe_model(container, beside)
        opened = {one.name: PackedTensor(container, one) for one in described.values()}
        self.tensors = {name: opened[one.name] for name, one in described.items()}
        loose = [PackedTensor(container, one).decode() for one in beside]
        self._state = from_json(content["state"], loose)
        record = content["record"]
        self._record = None if record is None else from_json(record, loose)
        if not isinstance(self._state, dict) or not isinstance(self._record, (dict, type(None))):
            raise TypeError("state or record")

    def state(self, model: Mapping[str, Any]) -> Dict[str, Any]:
        """The checkpoint without the optimizer, with ``model`` for its weights."""
        state = {**self._state, "model": model}
        if self.dictionaries and DICTIONARIES_KEY not in (self._record or {}):
            state[DICTIONARIES_KEY] = self.dictionaries
        if self._record is not None:
            masked = {n: t for n, t in self.tensors.items() if t.recorded and n == t.name}
            state[RECORD_KEY] = {
                **self._record,
                "shapes": {name: list(tensor.shape) for name, tensor in masked.items()},
                "masks": {name: tensor.packed_mask() for name, tensor in masked.items()},
            }
        return state

    def decode(self) -> Dict[str, torch.Tensor]:
        """All tensors, dense; tied weights share memory."""
        done: Dict[str, torch.Tensor] = {}
        for name, tensor in self.tensors.items():
            done[name] = done[tensor.name] if tensor.name in done else tensor.decode()
        return done
