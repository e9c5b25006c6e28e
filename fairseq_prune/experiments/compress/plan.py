"""The rounds that compress a checkpoint."""

import os
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional

from ..recipes import Recipe
from ..rounds import RoundsPlan
from .asked import Asked
from .base import has, scaled
from .own_training import OwnTraining


@dataclass(frozen=True)
class Plan:
    """What is done to a checkpoint.

    Attributes:
        asked: what for.
        recipe: how.
        valid: validation set.
        sentences: of each subset to score on.
        before: sparsity of the checkpoint.
        is_lm: whether it is a language model, which translates nothing.
        on_gpu: whether files are scored on a GPU.
        words: of each round's training but DATA, its dropouts, its length and its schedule.
        dropouts: those of the checkpoint, as options.
        scheduled: whether the schedule is the recipe's, and not given.
        lr: from a round's sparsity to its peak learning rate.
        updates: an epoch.
        own: the checkpoint's own training.
        seconds: an update should take, by that; None: it does not say.
        but: why it may take longer or less than that, in words; "" if nothing speaks for it.
        teacher: of the rounds, in words; None: there is none.
        hints: what a user may want to know of that.
    """

    asked: Asked
    recipe: Recipe
    valid: str
    sentences: Dict[str, int]
    before: float
    is_lm: bool
    on_gpu: bool
    words: List[str]
    dropouts: List[str]
    scheduled: bool
    lr: Callable[[float], float]
    updates: int
    own: OwnTraining
    seconds: Optional[float]
    but: str
    teacher: Optional[str]
    hints: List[str]

    @property
    def metric(self) -> str:
        return self.asked.metric or ("perplexity" if self.is_lm else "bleu")

    @property
    def subsets(self) -> List[str]:
        return list(dict.fromkeys(filter(None, (self.valid, self.asked.test))))

    def command(self, sparsity: float, epochs: int, keep: int) -> List[str]:
        """The training of a round, without what the rounds set themselves.

        Args:
            sparsity: that it is pruned to.
            keep: checkpoints of the last epochs that stay; 0: none.
        """
        kept = ["--keep-last-epochs", str(keep)] if keep else ["--no-epoch-checkpoints"]
        if self.scheduled:
            schedule = self.recipe.schedule(self.lr(sparsity), self.updates, epochs)
        else:  # where it is given after --, that has the last word
            schedule = ["--lr", f"{self.lr(sparsity):g}"]
        dropouts = scaled(self.dropouts, self.recipe.dropout(sparsity))
        return [
            *self.asked.command, self.asked.absolute().data, *self.words, *dropouts, *schedule,
            "--max-epoch", str(epochs), "--log-format", "json", *kept, *self.asked.options,
        ]  # fmt: skip

    def rounds(self, sparsities: List[float], epochs: List[int]) -> RoundsPlan:
        """
        Args:
            sparsities, epochs: of each round.
        """
        average = self.recipe.average if self.recipe.average > 1 else 0
        every = self.asked.goal.max_loss is not None  # any may be the last
        keep = [average if every or r == len(epochs) - 1 else 0 for r in range(len(epochs))]
        asked: Dict[str, Any] = {"score": self.recipe.score}
        if self.recipe.steps > 1 and not has("--prune-steps", self.asked.options):
            asked["steps"] = self.recipe.steps
        there = self.asked.absolute()
        return RoundsPlan(
            source=there.checkpoint,
            out=os.path.join(there.out, "rounds"),
            sparsities=sparsities,
            commands=[self.command(x, e, k) for x, e, k in zip(sparsities, epochs, keep)],
            scheme=self.recipe.scheme,
            asked=asked,
            noted={"source": there.checkpoint, "sparsities": sparsities},
        )
