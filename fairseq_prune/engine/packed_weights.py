"""The weights of a packed file, as the engine reads them."""

import ctypes

import numpy as np

from ..errors import PruneError
from ..packed.container import Container
from ..packed.described import Described, describe_model
from ..packed.mask_code import MaskCode
from .library import check, library
from .model import Weights
from .stored import default_dense_above, stored_in_file

#: Numbers of vectors; BF16 is read by hand.
_FLOATS = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "BF16": np.float32}


class PackedWeights(Weights):
    """Read from the file once, as they are asked for."""

    def __init__(self, container: Container):
        """
        Raises:
            PruneError: the file is damaged, or claims to be larger than it can be.
        """
        self._container, self.whose = container, container.path
        self._tensors = describe_model(container)
        self.names = set(self._tensors)

    def _described(self, name: str) -> Described:
        if name not in self._tensors:
            raise PruneError(f"{self._container.path} has no {name}: it is damaged")
        return self._tensors[name]

    def key(self, name: str) -> str:
        """The name that the tensor is stored under."""
        return self._described(name).name

    def put(self, handle: ctypes.c_void_p, part: bytes, name: str, gates: int) -> None:
        said = self._described(name)
        stored = stored_in_file(self._container, said.name, said.shape)
        share, address = default_dense_above(stored), ctypes.byref(stored)
        self.check(library().engine_matrix(handle, part, address, gates, share))

    def vector(self, name: str) -> np.ndarray:
        said, container = self._described(name), self._container
        wrong = PruneError(f"{container.path} is damaged: {said.values} is not as described")
        if len(said.shape) != 1 or said.stored not in _FLOATS:
            raise wrong
        values = _floats(container.read(said.values), said.stored)
        if not said.is_sparse:
            return values
        code = MaskCode(container.read(f"{said.name}:mask"), said.count)
        if code.kept != values.size:
            raise wrong
        result = np.zeros(said.count, np.float32)
        for start, size, kept in code.blocks():
            result[start : start + size][kept], values = np.split(values, [kept.size])
        return result

    def check(self, code: int) -> None:
        try:
            check(code)
        except PruneError as error:
            raise PruneError(f"{self.whose}: {error}") from error


def _floats(raw: np.ndarray, kind: str) -> np.ndarray:
    if kind == "BF16":
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.view(_FLOATS[kind]).astype(np.float32)
