"""The results of a grid: one JSON line a point, the last one of a point counts."""

import json
import os
import platform
import threading
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Dict, List, Optional

from ..pruning import PruneError
from .points import USUAL, Point


class Results:
    """``results.jsonl`` in a grid's folder."""

    def __init__(self, path: str):
        """
        Raises:
            PruneError: a line of the file is damaged (other than a last one cut short by a
                kill, which is dropped).
        """
        self.path = path
        self._of: Dict[Point, Dict[str, Any]] = {}
        self._lock = threading.Lock()
        if os.path.exists(path):
            self._read()

    def _read(self) -> None:
        with open(self.path, "rb") as f:
            content = f.read()
        whole = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(whole.decode("utf-8", "replace").splitlines(), start=1):
            try:
                record = json.loads(line)
                self._of[_point(record)] = record
            except (ValueError, KeyError, TypeError) as error:
                raise PruneError(
                    f"{self.path}, line {number} is damaged; remove that line"
                ) from error
        if whole != content:
            os.truncate(self.path, len(whole))

    def get(self, point: Point) -> Optional[Dict[str, Any]]:
        return self._of.get(point)

    def add(self, point: Point, record: Dict[str, Any]) -> None:
        """Append ``record``, with what identifies ``point`` in front.

        Raises:
            PruneError: there is no room; the file is as before.
        """
        names = ("seed", "kind", "scheme", "sparsity")
        record = {**{name: getattr(point, name) for name in names}, **point.asked(), **record}
        with self._lock:
            self._append((json.dumps(record) + "\n").encode("utf-8"))
            self._of[point] = record

    def _append(self, line: bytes) -> None:
        with open(self.path, "ab", buffering=0) as f:
            before = f.tell()
            try:
                left = memoryview(line)
                while left:
                    left = left[f.write(left) :]
                os.fsync(f.fileno())
            except OSError as error:
                f.truncate(before)  # the next line is to begin as one
                raise PruneError(f"cannot write {self.path}: {error.strerror}") from error

    def of(self, points: List[Point]) -> List[Dict[str, Any]]:
        """The records of those ``points`` that have one, in their order."""
        return [self._of[point] for point in points if point in self._of]


def _point(record: Dict[str, Any]) -> Point:
    asked = {name: record[name] for name in USUAL if name in record}
    return Point(record["seed"], record["kind"], record["scheme"], record["sparsity"], **asked)


#: The distributions that have a say in a score; fairseq comes under either of two names.
DISTRIBUTIONS = ("torch", "fairseq", "fairseq-fixed", "sacrebleu", "fairseq-prune")


def versions() -> Dict[str, str]:
    """Name -> version of Python and of those ``DISTRIBUTIONS`` that are installed."""
    installed = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed
