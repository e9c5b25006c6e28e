"""Files in the safetensors format, with a SHA-256: written piece by piece, read with suspicion.

The format (https://huggingface.co/docs/safetensors): eight bytes, little endian, the length of
the header; the header, JSON: for each tensor its dtype, shape and place, and strings under
``__metadata__``; the tensors. No more than what is asked for is ever in memory, which the
safetensors package does not offer for writing. The hash is over the whole file, with zeros in
its own place.
"""

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Tuple

import numpy as np

from ...pruning import PruneError

FORMAT = "fairseq_prune"
#: Raised when a file can no longer be read by the version before.
VERSION = 1

ITEM_SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
    "BOOL": 1,
}  # fmt: skip

_LENGTH = struct.Struct("<Q")
_PIECE = 1 << 22
_MAX_HEADER = 100_000_000  # the safetensors package's, too
_NO_HASH = "0" * 64
_BEGIN = b'{"__metadata__":{"format":"%s"' % FORMAT.encode()


@dataclass(frozen=True)
class Entry:
    """One tensor to write; ``pieces`` are buffers that make up its bytes, made when needed."""

    name: str
    dtype: str
    shape: Tuple[int, ...]
    pieces: Iterable[Any]

    @property
    def size(self) -> int:
        return ITEM_SIZES[self.dtype] * count_of(self.shape)


def count_of(shape: Iterable[int]) -> int:
    """Elements of a tensor of ``shape``, in Python's own integers."""
    count = 1
    for length in shape:
        count *= length
    return count


def write_container(path: str, content: Mapping[str, Any], entries: List[Entry]) -> int:
    """Write a file, whole or not at all; return its size in bytes.

    Args:
        content: what JSON can hold, stored beside the tensors.
    Raises:
        PruneError: it cannot be written; what was at ``path`` before is still there.
    """
    # wide items first: those of eight bytes then lie where eight divides the address
    entries = sorted(entries, key=lambda entry: -ITEM_SIZES[entry.dtype])
    header = _header(content, entries)
    partial = f"{path}.tmp{os.getpid()}"
    try:
        with open(partial, "wb") as f:
            f.write(_LENGTH.pack(len(header)) + header)
            digest = hashlib.sha256(_LENGTH.pack(len(header)) + header)
            for entry in entries:
                before = f.tell()
                for piece in entry.pieces:
                    piece = memoryview(piece).cast("B")
                    digest.update(piece)
                    f.write(piece)
                assert f.tell() - before == entry.size, entry.name
            size = f.tell()
            f.seek(_LENGTH.size + header.index(_NO_HASH.encode()))
            f.write(digest.hexdigest().encode())
        os.replace(partial, path)
        return size
    except OSError as error:
        raise PruneError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def _header(content: Mapping[str, Any], entries: List[Entry]) -> bytes:
    header: Dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "version": str(VERSION),
            "sha256": _NO_HASH,
            "content": json.dumps(content, separators=(",", ":"), allow_nan=False),
        }
    }
    at = 0
    for entry in entries:
        place = [at, at + entry.size]
        header[entry.name] = {
            "dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": place,
        }  # fmt: skip
        at += entry.size
    text = json.dumps(header, separators=(",", ":")).encode()
    if len(text) > _MAX_HEADER:
        raise PruneError("the checkpoint's configuration is too large for a packed file")
    return text + b" " * (-len(text) % 8)


def is_packed(path: str) -> bool:
    """Whether the file begins as one of these."""
    try:
        with open(path, "rb") as f:
            return f.read(_LENGTH.size + len(_BEGIN))[_LENGTH.size :] == _BEGIN
    except OSError:
        return False


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
        start = self._file.read(_LENGTH.size)
        length = _LENGTH.unpack(start)[0] if len(start) == _LENGTH.size else 0
        if not 2 <= length <= min(_MAX_HEADER, self.size - _LENGTH.size):
            raise PruneError("it is truncated, or no packed model")
        header = self._file.read(length)
        self._begin = _LENGTH.size + length
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
        self.entries, self._places = {}, {}
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
        if type(self._hash) is not str or len(self._hash) != len(_NO_HASH):
            raise PruneError("its checksum is missing")
        digest = hashlib.sha256(header.replace(self._hash.encode(), _NO_HASH.encode(), 1))
        buffer = bytearray(_PIECE)
        while True:
            count = self._file.readinto(buffer)
            if not count:
                break
            digest.update(memoryview(buffer)[:count])
        if digest.hexdigest() != self._hash:
            raise PruneError("its checksum is wrong: it is damaged")

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
            if count and self._file.readinto(memoryview(result).cast("B")) != result.nbytes:
                raise PruneError(f"{self.path} has become shorter while it was read")
        except OSError as error:
            raise PruneError(f"cannot read {self.path}: {error.strerror or error}") from error
        return result
