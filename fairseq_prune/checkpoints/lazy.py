"""State dicts whose tensors are read from their file when they are used."""

import ctypes
import mmap
from typing import Any, Iterator, Optional

import numpy as np
import torch
from torch import Tensor

from .packed.plain import bits
from .packed.read_tensor import Piece

_PIECE = 1 << 20
_DONTNEED = getattr(mmap, "MADV_DONTNEED", None)  # Linux, and Python 3.8
_LIBC = ctypes.CDLL(None) if _DONTNEED is not None else None


class MappedTensor:
    """A tensor of a memory-mapped checkpoint; what was read of it does not stay in memory.

    The same as ``packed.PackedTensor`` to those who read it.
    """

    def __init__(self, tensor: Tensor):
        self.tensor, self.shape, self.dtype = tensor, tensor.shape, tensor.dtype

    def kept(self) -> int:
        """How many elements are not zero."""
        return sum(kept.size for _, _, _, kept in self.pieces())

    def decode(self, out: Optional[Tensor] = None) -> Tensor:
        """A copy in memory, in ``out`` if given."""
        result = torch.empty(self.shape, dtype=self.dtype) if out is None else out
        target, source = result.view(-1), self.tensor.reshape(-1)
        for start in range(0, source.numel(), _PIECE):
            target[start : start + _PIECE] = source[start : start + _PIECE]
            self._forget(start)
        return result

    def pieces(self) -> Iterator[Piece]:
        """Elements that are not zero."""
        flat = bits(self.tensor).numpy()
        for start in range(0, flat.size, _PIECE):
            piece = flat[start : start + _PIECE]
            positions = np.flatnonzero(piece)
            yield start, piece.size, positions, piece[positions]
            self._forget(start)

    def forget(self) -> None:
        """Let the system take back what was read of it by others."""
        for start in range(0, self.tensor.numel(), _PIECE):
            self._forget(start)

    def _forget(self, start: int) -> None:
        """Let the system take back the pages that lie wholly within a piece."""
        width, page = self.tensor.element_size(), mmap.PAGESIZE
        address = self.tensor.data_ptr()
        begin = -(-(address + start * width) // page) * page
        end = address + min(start + _PIECE, self.tensor.numel()) * width
        length = (end - begin) // page * page
        if _LIBC is not None and length > 0:
            _LIBC.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(length), _DONTNEED)


class LazyTensor:
    """Stands in for a tensor in a state dict and is read anew whenever it is used as one.

    Meant to be used once: torch and fairseq take it where they copy a state dict into a
    model, and no second copy of the model is ever in memory.

    Attributes:
        source: a ``MappedTensor`` or a ``packed.PackedTensor``.
    """

    is_nested = is_meta = False

    def __init__(self, source):
        self.source, self.shape, self.dtype = source, source.shape, source.dtype

    def __getattr__(self, name):
        # whatever else is asked of a tensor, but not Python's own questions
        if name.startswith("__") or name == "source":
            raise AttributeError(name)
        return getattr(self.source.decode(), name)

    def __getitem__(self, index):
        return self.source.decode()[index]

    def __deepcopy__(self, memo):
        return self  # reads the same file

    def __reduce__(self):
        return _itself, (self.source.decode(),)

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is Tensor.copy_ and _fits(*args[:2]):
            args[1].source.decode(out=args[0].detach())
            return args[0]
        return function(*_read(args), **_read(kwargs or {}))


def _read(arguments: Any) -> Any:
    """``arguments`` with tensors for lazy ones, also in lists of them, as of ``torch.cat``."""
    if isinstance(arguments, LazyTensor):
        return arguments.source.decode()
    if isinstance(arguments, dict):
        return {name: _read(argument) for name, argument in arguments.items()}
    if type(arguments) in (list, tuple):
        return type(arguments)(map(_read, arguments))
    return arguments


def _itself(tensor: Tensor) -> Tensor:
    return tensor


def _fits(target, source) -> bool:
    return (
        isinstance(target, Tensor)
        and isinstance(source, LazyTensor)
        and target.dtype == source.dtype
        and target.shape == source.shape
        and target.is_contiguous()
        and not target.is_cuda
    )
