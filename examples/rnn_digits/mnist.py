"""MNIST's four files: LeCun's idx format, plain or gzipped."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import Tuple

import numpy as np

PARTS = ("train", "t10k")
#: dimensions -> what the file is named after and how it must begin: unsigned bytes, dimensions
KINDS = {3: ("images-idx3-ubyte", 0x803), 1: ("labels-idx1-ubyte", 0x801)}


class UserError(Exception):
    """A mistake that one sentence explains."""


def load(folder: str) -> Tuple[Tuple[np.ndarray, np.ndarray], Tuple[np.ndarray, np.ndarray]]:
    """Training and test images, float32 (count, rows, columns) in [0, 1], with their labels.

    Raises:
        UserError: a file is not there or is not what it must be; it is named.
    """
    parts = []
    for part in PARTS:
        images = read_idx(find(folder, part, 3), 3)
        path = find(folder, part, 1)
        labels = read_idx(path, 1)
        if len(labels) != len(images):
            raise UserError(f"{path} has {len(labels)} labels for {len(images)} images")
        if labels.max() > 9:
            raise UserError(f"{path} is damaged: label {labels.max()} is no digit")
        parts.append((images.astype(np.float32) / 255, labels))
    if parts[0][0].shape[1:] != parts[1][0].shape[1:]:
        raise UserError(f"--mnist {folder} has training and test images of different sizes")
    return parts[0], parts[1]


def find(folder: str, part: str, dimensions: int) -> Path:
    """The file of a part, plain or .gz.

    Raises:
        UserError: there is neither.
    """
    plain = Path(folder, f"{part}-{KINDS[dimensions][0]}")
    for path in (plain, plain.with_name(plain.name + ".gz")):
        if path.is_file():
            return path
    raise UserError(f"--mnist {folder} has no file {plain.name}, plain or .gz")


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The unsigned bytes of an idx file, in its shape.

    Raises:
        UserError: it cannot be read or is damaged.
    """
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:  # BadGzipFile is an OSError
        raise UserError(f"{path} cannot be read ({error})")
    head = 4 + 4 * dimensions
    if len(content) < head or struct.unpack(">I", content[:4])[0] != KINDS[dimensions][1]:
        raise UserError(f"{path} is damaged or no idx file of {KINDS[dimensions][0].split('-')[0]}")
    shape = struct.unpack(f">{dimensions}I", content[4:head])
    size = 1
    for length in shape:  # Python's integers: a damaged size must not wrap around
        size *= length
    if size == 0 or len(content) - head != size:
        raise UserError(
            f"{path} is damaged: {len(content) - head} bytes follow its head, which says {size}"
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
