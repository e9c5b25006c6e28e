"""The points of a grid: a model, how it came to be, and how much of it is pruned."""

import os
from dataclasses import dataclass
from typing import Optional

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
    """One result of a grid. ``scheme`` and ``sparsity`` are None and 0 where it is dense."""

    seed: int
    kind: str
    scheme: Optional[str] = None
    sparsity: float = 0.0

    def __str__(self) -> str:
        how = f" {self.scheme} {100 * self.sparsity:g}%" if self.scheme else ""
        return f"seed {self.seed} {self.kind}{how}"

    @property
    def folder(self) -> str:
        """Where its training goes, below the grid's folder."""
        name = f"{self.scheme}-{self.sparsity!r}" if self.scheme else ""
        # fairseq splits --path at colons
        name = name.replace(":", "of")
        return os.path.join(f"seed{self.seed}", self.kind, name).rstrip(os.sep)
