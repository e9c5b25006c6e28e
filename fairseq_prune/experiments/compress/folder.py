"""The folder of ``fairseq-prune compress``: what was asked for, and what is known already."""

import json
import os
from typing import Any, Callable, Dict

from ...checkpoints.digest import digest
from ...checkpoints.writing import write_text
from ...pruning import PruneError
from .asked import NOTES


class Folder:
    """``compress.json`` in a folder: the options, and what was found on the way.

    What is written as a file of its own (checkpoints, texts) is there as soon as it is whole.
    Options that are not among these may change; what depends on them is found with ``of``.
    """

    def __init__(self, path: str, asked: Dict[str, Any]):
        """
        Args:
            asked: option -> value.
        Raises:
            PruneError: the folder is of other options, or the file is damaged.
        """
        self.path, self._asked = path, asked
        self._state = self.file(NOTES)
        self._known: Dict[str, Any] = {}
        self._of: Dict[str, Any] = {}
        if os.path.exists(self._state):
            self._read()

    def _read(self) -> None:
        try:
            with open(self._state, encoding="utf-8") as f:
                content = json.load(f)
            was, self._known = dict(content["asked"]), dict(content["known"])
            self._of = dict(content.get("of", {}))
        except (ValueError, KeyError, TypeError) as error:
            raise PruneError(f"{self._state} is damaged; take another --out") from error
        for name in self._asked:
            if self._asked.get(name) != was.get(name):
                now, then = (_said(name, side.get(name)) for side in (self._asked, was))
                raise PruneError(
                    f"{now}: {self.path} was begun with {then}; ask for the same, or take another "
                    f"--out"
                )

    def check_same(self, path: str) -> None:
        """Raise PruneError if the file at ``path`` is another than ``note_same`` noted."""
        if self.knows("digest") and self._known["digest"] != digest([path]):
            raise PruneError(
                f"{path} is not what it was when {self.path} was begun; take another --out"
            )

    def note_same(self, path: str) -> None:
        self.find("digest", lambda: digest([path]))

    def file(self, *names: str) -> str:
        return os.path.join(self.path, *names)

    def knows(self, name: str, of: Any = None) -> bool:
        return name in self._known and self._of.get(name) == of

    def find(self, name: str, look: Callable[[], Any], of: Any = None) -> Any:
        """What is known by that name; else what ``look`` returns (JSON), from now on.

        Args:
            of: what it is found for (JSON), if that may be something else the next time.
        """
        if not self.knows(name, of):
            self._known[name] = look()
            self._of[name] = of
            self._write()
        return self._known[name]

    def _write(self) -> None:
        content = {"asked": self._asked, "known": self._known, "of": self._of}
        write_text(self._state, json.dumps(content, indent=1))


def _said(name: str, value: Any) -> str:
    return f"no {name}" if value is None else f"{name} {value}"
