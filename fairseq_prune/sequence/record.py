"""What a folder of translations is of, and how far it is: ``distilled.json`` in it."""

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Optional

from ..checkpoints.whole_file import whole_file
from ..pruning import PruneError
from .request import Request, difference

NAME = "distilled.json"


@dataclass
class Record:
    """
    Attributes:
        asked: the request.
        digests: SHA-256 of "CKPT" and of the set and dictionaries of "DATA".
        kinds: what ``--runtime auto`` chose, so that it is the same when the work goes on.
        result: None until all is written.
    """

    asked: Dict[str, Any]
    digests: Dict[str, str]
    kinds: Dict[str, str] = field(default_factory=dict)
    result: Optional[Dict[str, int]] = None

    @classmethod
    def of(cls, request: Request, digests: Dict[str, str]) -> "Record":
        asked = asdict(request)
        asked.update({name: os.path.abspath(asked[name]) for name in ("source", "data")})
        return cls(asked, digests)

    @property
    def request(self) -> Request:
        return Request(**self.asked)

    def write(self, folder: str) -> None:
        with whole_file(os.path.join(folder, NAME)) as f:
            f.write((json.dumps(asdict(self), indent=2) + "\n").encode())

    @classmethod
    def read(cls, folder: str) -> Optional["Record"]:
        """That of ``folder``, or None.

        Raises:
            PruneError: it is none.
        """
        path = os.path.join(folder, NAME)
        try:
            with open(path, encoding="utf-8") as f:
                return cls(**json.load(f))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError) as error:
            raise PruneError(f"{path} cannot be read: {error}; give another --out") from error

    def check(self, out: str, now: "Record") -> None:
        """Raise PruneError if ``now`` is asked to go on in ``out`` with something else."""
        for what, digest in now.digests.items():
            if self.digests.get(what) != digest:
                name = "source" if what == "CKPT" else "data"
                raise _another(out, f"another {what}, {self.asked.get(name)}")
        differs = difference(self.asked, now.request)
        if differs:
            raise _another(out, differs)


def _another(out: str, begun: str) -> PruneError:
    return PruneError(f"--out {out} was begun with {begun}; give the same, or another --out")
