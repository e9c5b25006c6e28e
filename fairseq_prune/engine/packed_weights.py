"""The weights of a packed file, as the engine reads them."""

import ctypes
from typing import Any, Dict

import numpy as np

from ..errors import PruneError
from ..packed.container import Container
from ..packed.mask_code import MaskCode
from .library import check, library
from .model import Weights
from .stored import DENSE_ABOVE, stored_in_file


class PackedWeights(Weights):
    """Read from the file once, as they are asked for."""

    def __init__(self, container: Container):
        self._container = container
        self._tensors: Dict[str, Any] = container.content["tensors"]
        self.names = set(self._tensors)

    def key(self, name: str) -> str:
        """The name that the tensor is stored under."""
        said = self._tensors.get(name)
        if said is None:
            raise PruneError(f"{self._container.path} has no {name}: it is damaged")
        return said.get("same_as", name)

    def put(self, handle: ctypes.c_void_p, part: bytes, name: str, gates: int) -> None:
        name = self.key(name)
        stored = stored_in_file(self._container, name, self._tensors[name]["shape"])
        try:
            check(library().engine_matrix(handle, part, ctypes.byref(stored), gates, DENSE_ABOVE))
        except PruneError as error:
            raise PruneError(f"{self._container.path}: {error}") from error

    def vector(self, name: str) -> np.ndarray:
        name, entries = self.key(name), self._container.entries
        count = self._tensors[name]["shape"][0]
        if f"{name}:mask" not in entries:
            return _floats(self._container.read(name), entries[name][0])
        code = MaskCode(self._container.read(f"{name}:mask"), count)
        result = np.zeros(count, np.float32)
        values = f"{name}:values"
        kept = np.concatenate([start + found for start, _, found in code.blocks()])
        result[kept] = _floats(self._container.read(values), entries[values][0])
        return result


def _floats(raw: np.ndarray, kind: str) -> np.ndarray:
    if kind == "BF16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    numbers = raw.view({"F32": np.float32, "F16": np.float16, "F64": np.float64}[kind])
    return numbers.astype(np.float32)
