"""Files in the safetensors format, with a SHA-256, written piece by piece.

No more than a piece of a tensor need ever be in memory, which the safetensors package does not
offer: it takes whole tensors. See ``container`` for the format.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Tuple

from ...packed.container import FORMAT, ITEM_SIZES, LENGTH, MAX_HEADER, NO_HASH, VERSION, count_of
from ...pruning import PruneError
from ..whole_file import whole_file


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
    with whole_file(path) as f:
        f.write(LENGTH.pack(len(header)) + header)
        digest = hashlib.sha256(LENGTH.pack(len(header)) + header)
        for entry in entries:
            before = f.tell()
            for piece in entry.pieces:
                piece = memoryview(piece).cast("B")
                digest.update(piece)
                f.write(piece)
            assert f.tell() - before == entry.size, entry.name
        size = f.tell()
        f.seek(LENGTH.size + header.index(NO_HASH.encode()))
        f.write(digest.hexdigest().encode())
    return size


def _header(content: Mapping[str, Any], entries: List[Entry]) -> bytes:
    header: Dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "version": str(VERSION),
            "sha256": NO_HASH,
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
    if len(text) > MAX_HEADER:
        raise PruneError("the checkpoint's configuration is too large for a packed file")
    return text + b" " * (-len(text) % 8)
