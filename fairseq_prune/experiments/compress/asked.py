"""What ``fairseq-prune compress`` was asked for."""

import dataclasses
import os
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from ...packed.described import VALUES
from ...pruning import PruneError
from .goal import METRICS, Goal

#: Where a folder has what was asked for.
NOTES = "compress.json"
#: fp32: every bit of the checkpoint's own numbers.
PACKED_VALUES = {"fp32": "exact", **{name: name for name in VALUES if name != "exact"}}


@dataclass(frozen=True)
class Asked:
    """
    Attributes:
        checkpoint, data, out: paths.
        goal: how far.
        recipe: name of one, and ``score`` to prune by in place of the recipe's.
        epochs, hours: of retraining, all rounds together; at most one of them.
        values: a key of ``PACKED_VALUES``.
        metric: one of ``METRICS``; None: BLEU, and perplexity of a language model.
        valid, test: subsets to score on; the first, by default the one it was trained with,
            decides.
        generate: options of fairseq-generate; None: a beam of 5, and pieces of words joined as
            the dictionary shows them.
        options: of fairseq-train, beside those of the checkpoint.
        command: what starts a training.
        user_dir: of a plugin of the user's own.
        cpu: whether to stay on the CPU where there is a GPU.
        gpus: that a training has; None: those of this machine, with ``cpu`` none.
    """

    checkpoint: str
    data: str
    out: str
    goal: Goal
    recipe: str
    score: Optional[str] = None
    epochs: Optional[int] = None
    hours: Optional[float] = None
    values: str = "fp32"
    metric: Optional[str] = None
    valid: Optional[str] = None
    test: Optional[str] = None
    generate: Optional[Tuple[str, ...]] = None
    options: Tuple[str, ...] = ()
    command: Tuple[str, ...] = ("fairseq-train",)
    user_dir: Optional[str] = None
    cpu: bool = False
    gpus: Optional[int] = None

    def check(self) -> None:
        """
        Raises:
            PruneError: an option is out of range, or ``out`` is a folder of something else.
        """
        for name in ("checkpoint_best.pt", "model.packed"):
            if os.path.exists(os.path.join(self.out, name)) and not self._is_begun():
                raise PruneError(
                    f"--out {self.out} has a {name} that is not of this command; take another"
                )
        if self.epochs is not None and self.hours is not None:
            raise PruneError("--epochs and --hours are two budgets; give one")
        if self.epochs is not None and self.epochs < 1:
            raise PruneError(f"--epochs {self.epochs} is out of range; give 1 or more")
        if self.hours is not None and not 0 < self.hours < float("inf"):
            raise PruneError(f"--hours {self.hours:g} is out of range; give more than 0")
        if self.values not in PACKED_VALUES:
            raise PruneError(f"--values {self.values}: choose one of {', '.join(PACKED_VALUES)}")
        if self.metric is not None and self.metric not in METRICS:
            raise PruneError(f"--metric {self.metric}: choose one of {', '.join(METRICS)}")
        if self.metric is not None and self.goal.max_loss is None:
            raise PruneError(
                f"--metric {self.metric} is what --max-loss is of, and decides nothing without; "
                f"give --max-loss, or leave it out"
            )
        if self.gpus is not None and self.gpus < 0:
            raise PruneError(f"--gpus {self.gpus} is out of range; give 0 or more")
        if not self.command:
            raise PruneError("--command is empty; give what starts a training")

    def _is_begun(self) -> bool:
        return os.path.exists(os.path.join(self.out, NOTES))

    def absolute(self) -> "Asked":
        """The same, wherever one is: what trainings are given, and are known by afterwards."""
        return dataclasses.replace(
            self,
            checkpoint=os.path.abspath(self.checkpoint),
            data=os.pathsep.join(map(os.path.abspath, self.data.split(os.pathsep))),
            out=os.path.abspath(self.out),
        )

    def noted(self) -> Dict[str, Any]:
        """Option -> value of what the rounds are made with, for the folder.

        What else is packed and scored may change (``packed_with``, ``scored_with``)."""
        asked = self.absolute()
        return {
            # where the file, or how it translates, decides how far the rounds go
            **({} if self.goal.sparsity is not None else self.packed_with()),
            **({} if self.goal.max_loss is None else self.translated_with()),
            "CKPT": asked.checkpoint,
            "DATA": asked.data,
            "--sparsity": self.goal.sparsity,
            "--max-loss": self.goal.max_loss,
            "--max-bytes": self.goal.max_bytes,
            "--recipe": self.recipe,
            "--score": self.score,
            "--epochs": self.epochs,
            "--hours": self.hours,
            "--metric": self.metric,
            "--valid": self.valid,
            "options after --": " ".join(self.options) or None,
            "--user-dir": self.user_dir,
        }

    def packed_with(self) -> Dict[str, Any]:
        """Of ``noted``'s kind, what ``model.packed`` depends on besides."""
        return {"--values": self.values}

    def translated_with(self) -> Dict[str, Any]:
        """And what translations depend on."""
        return {"--generate": None if self.generate is None else " ".join(self.generate)}

    def scored_with(self) -> Dict[str, Any]:
        """And what the scores depend on."""
        return {**self.packed_with(), **self.translated_with(), "--test": self.test}
