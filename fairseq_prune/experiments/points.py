"""The points of a grid: a model, how it came to be, and how much of it is pruned."""

import os
import re
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional

from ..pruning import Floors
from ..pruning.choice import Calibration, Choice

#: dense: trained, not pruned. pruned: dense, then pruned. retrained: pruned, then trained on.
#: from-start: new initial weights trained under the pruned model's mask (See et al. 2016,
#: section 4.3). iterative: pruned and retrained in rounds.
KINDS = ("dense", "pruned", "retrained", "from-start", "iterative")
#: Kinds that need a training of their own.
TRAINED = ("dense", "retrained", "from-start", "iterative")
#: What the kinds are called where people read.
KIND_NAMES = {
    "dense": "dense",
    "pruned": "pruned",
    "retrained": "pruned and retrained",
    "from-start": "sparse from the start",
    "iterative": "pruned and retrained in rounds",
}


@dataclass(frozen=True)
class Point:
    """One result of a grid. ``scheme`` and ``sparsity`` are None and 0 where it is dense.

    ``score``, ``steps``, ``samples`` and the floors are as of ``fairseq-prune prune``.
    """

    seed: int
    kind: str
    scheme: Optional[str] = None
    sparsity: float = 0.0
    score: Optional[str] = None
    steps: int = 1
    floor: float = 0.0
    row_floor: Optional[float] = None
    samples: Optional[int] = None

    def __str__(self) -> str:
        how = f" {method(vars(self))} {100 * self.sparsity:g}%" if self.scheme else ""
        return f"seed {self.seed} {self.kind}{how}"

    @property
    def folder(self) -> str:
        """Where its training goes, below the grid's folder."""
        name = f"{self.scheme}-{self.sparsity!r}" if self.scheme else ""
        for option, value in self.asked().items():
            name += f"-{option.replace('_', '-')}-{value}"
        # fairseq splits --path at colons
        name = name.replace(":", "of").replace(os.sep, "_")
        return os.path.join(f"seed{self.seed}", self.kind, name).rstrip(os.sep)

    def asked(self) -> Dict[str, Any]:
        """Those of score, steps, samples and floors that are not as usual."""
        return {n: getattr(self, n) for n, usual in USUAL.items() if getattr(self, n) != usual}

    def choice(self, calibration: Calibration) -> Choice:
        """Of its pruning; ``calibration`` is the grid's."""
        assert self.scheme is not None, "it is dense"
        floors = Floors(self.floor, self.row_floor)
        if self.samples is not None:
            calibration = calibration._replace(samples=self.samples)
        return Choice(self.scheme, self.score, floors, calibration, self.steps)


#: What a point is made with where its file says nothing of it.
USUAL: Dict[str, Any] = {
    "score": None,
    "steps": 1,
    "floor": 0.0,
    "row_floor": None,
    "samples": None,
}


#: In what ``method`` says.
STEPS = re.compile(r", in (\d+) steps")


def method(record: Mapping[str, Any]) -> str:
    """How weights were chosen, in words: scheme, score, steps, floors and samples.

    Args:
        record: with "scheme" and what else is not as usual.
    """
    options = {**USUAL, **record}
    floors = Floors(options["floor"], options["row_floor"])
    calibration = Calibration(samples=options["samples"])
    choice = Choice(str(options["scheme"]), options["score"], floors, calibration, options["steps"])
    return choice.method
