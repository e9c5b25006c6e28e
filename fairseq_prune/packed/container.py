"""Files in the safetensors format, with a SHA-256, read with suspicion.

The format (https://huggingface.co/docs/safetensors): eight bytes, little endian, the length of
the header; the header, JSON: for each tensor its dtype, shape and place, and strings under
``__metadata__``; the tensors. The hash is over the whole file, with zeros in its own place.
"""

import hashlib
import json
import os
import struct
from typing import Dict, Iterable, List, Tuple

import numpy as np

from ..errors import PruneError

FORMAT = "fairseq_prune"
#: Raised when a file can no longer be read by the version before.
VERSION = 1

ITEM_SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
    "BOOL": 1,
}  # fmt: skip

LENGTH = struct.Struct("<Q")
_PIECE = 1 << 22
MAX_HEADER = 100_000_000  # the safetensors package's, too
NO_HASH = "0" * 64


def count_of(shape: Iterable[int]) -> int:
    """Elements of a tensor of ``shape``, in Python's own integers."""
    count = 1
    for length in shape:
        count *= length
    return count


def is_packed(path: str) -> bool:
    """Whether the file begins as one in the safetensors format: ``Container`` says what is wrong
    with it if it is none of ours."""
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as f:
            start = f.read(LENGTH.size + 1)
    except OSError:
        return False
    return start[LENGTH.size :] == b"{" and LENGTH.unpack_from(start)[0] < size


class Container:
    """A file that was read and found to be whole.

    Attributes:
        content: what ``write_container`` was given.
        entries: name -> (dtype, shape).
        size: bytes of the file.
    """

    def __init__(self, path: str):
        """
        Raises:
            PruneError: there is no such file, or it is damaged, foreign or of another version.
        """
        self.path = path
        try:
            self.size = os.path.getsize(path)
            self._file = open(path, "rb")  # closed with this object
            self._check_hash(self._read_header())
        except OSError as error:
            raise PruneError(f"cannot read {path}: {error.strerror or error}") from error
        except MemoryError:
            raise
        except PruneError as error:
            raise PruneError(f"{path} cannot be read as a packed model: {error}") from error
        except Exception as error:  # damaged JSON makes the parser raise many things
            raise PruneError(f"{path} cannot be read as a packed model: it is damaged") from error

    def _read_header(self) -> bytes:
        start = self._file.read(LENGTH.size)
        length = LENGTH.unpack(start)[0] if len(start) == LENGTH.size else 0
        if not 2 <= length <= min(MAX_HEADER, self.size - LENGTH.size):
            raise PruneError(
                "it is truncated, or no packed model (fairseq-prune pack makes one of a checkpoint)"
            )
        header = self._file.read(length)
        self._begin = LENGTH.size + length
        entries = json.loads(header.decode("utf-8"))
        metadata = entries.pop("__metadata__", None)
        if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
            raise PruneError("it is no packed model of fairseq_prune")
        if metadata.get("version") != str(VERSION):
            raise PruneError(
                f"it was packed in version {metadata.get('version')} of the format, this is "
                f"{VERSION}; install a fairseq_prune that reads it"
            )
        self._hash = metadata["sha256"]
        self.entries: Dict[str, Tuple[str, Tuple[int, ...]]] = {}
        self._places: Dict[str, Tuple[int, int]] = {}
        for name, entry in entries.items():
            self._add(name, entry["dtype"], entry["shape"], entry["data_offsets"])
        at = 0
        for begin, end in sorted(self._places.values()):
            if begin != at:
                raise PruneError("its tensors overlap or leave gaps")
            at = end
        if at != self.size - self._begin:
            raise PruneError("it is truncated, or longer than its header says")
        self.content = json.loads(metadata["content"])
        return start + header

    def _add(self, name: str, dtype: str, shape: List[int], place: List[int]) -> None:
        begin, end = place
        whole = all(type(n) is int and n >= 0 for n in (*shape, begin, end))
        if not whole or end - begin != ITEM_SIZES[dtype] * count_of(shape):
            raise PruneError(f"{name} has not the size its header claims")
        self.entries[name] = (dtype, tuple(shape))
        self._places[name] = (begin, end)

    def _check_hash(self, header: bytes) -> None:
        if type(self._hash) is not str or len(self._hash) != len(NO_HASH):
            raise PruneError("its checksum is missing")
        digest = hashlib.sha256(header.replace(self._hash.encode(), NO_HASH.encode(), 1))
        buffer = bytearray(_PIECE)
        while True:
            count = self._file.readinto(buffer)
            if not count:
                break
            digest.update(memoryview(buffer)[:count])
        if digest.hexdigest() != self._hash:
            raise PruneError("its checksum is wrong: it is damaged")

    def place(self, name: str) -> Tuple[int, int]:
        """Where in the file a tensor begins, and its bytes."""
        begin, end = self._places[name]
        return self._begin + begin, end - begin

    def fileno(self) -> int:
        """The open file's descriptor, there as long as this object."""
        return self._file.fileno()

    def read(self, name: str, start: int = 0, count: int = -1) -> np.ndarray:
        """``count`` items of a tensor (-1: all) from ``start``, as integers of their width.

        Raises:
            PruneError: it has no such tensor, or the file has changed meanwhile.
        """
        if name not in self.entries:
            raise PruneError(f"{self.path} has no {name}: it is damaged")
        dtype, shape = self.entries[name]
        width = ITEM_SIZES[dtype]
        count = count_of(shape) - start if count < 0 else count
        result = np.empty(count, "u1" if width == 1 else f"<i{width}")  # as ``plain.bits``
        try:
            self._file.seek(self._begin + self._places[name][0] + start * width)
            if count and self._file.readinto(result.data.cast("B")) != result.nbytes:
                raise PruneError(f"{self.path} has become shorter while it was read")
        except OSError as error:
            raise PruneError(f"cannot read {self.path}: {error.strerror or error}") from error
        return result
