"""Carrying out the rounds, and which of them is kept."""

import os
import time
from functools import partial
from typing import Any, Callable, Dict, List, Optional

from ...checkpoints.packed.pack_file import pack_checkpoint
from ...pruning import PruneError
from ..progress import duration
from ..rounds import Rounds, RoundsPlan
from ..training import Training
from .asked import PACKED_VALUES
from .base import has
from .diverged import MOST, at_rate, diverged, exploded, set_aside, times_halved
from .elsewhere import going_on
from .folder import Folder
from .plan import Plan
from .scores import Scores

Say = Callable[[str], None]


class Trainer:
    """Trains rounds, and says how long they may still take."""

    def __init__(
        self,
        plan: Plan,
        epochs: List[int],
        dense: Callable[[], float],
        say: Say,
        lock: int,
        more: List[str],
    ):
        """
        Args:
            epochs: of each round.
            dense: finds the loss of the dense model, bits a token.
            lock, more: as of ``Training``.
        """
        self._dense, self._halvings = dense, 0 if has("--lr", plan.asked.options) else MOST
        self._subset, self._say, self._lock, self._more = plan.valid, say, lock, more
        self._data = plan.asked.absolute().data
        self._most = "at most " if plan.asked.goal.max_loss is not None else ""
        self._epochs, self._before, self._now = epochs, 0, 0
        self._made, self._started = 0, time.monotonic()

    def skip(self, r: int) -> None:
        """Round ``r`` is done."""
        self._before, self._now = sum(self._epochs[:r]), 0

    def train(self, heading: str, folder: str, command: List[str]) -> None:
        """As ``Rounds`` wants it; again with half the learning rate where it diverges."""
        while True:
            again = times_halved(folder)
            now = at_rate(command, 0.5**again) if again else command
            training = Training(folder, now, heading, self._subset, self._more)
            self._go_on(training)
            self._now = len(training.history())
            why = self._run(training, again < self._halvings)
            if why is None:
                return
            self._say(f"{heading}: diverged ({why}); again, with half the learning rate")
            set_aside(folder)

    def _run(self, training: Training, may_diverge: bool) -> Optional[str]:
        """Why it is to be made again; None: it is not."""
        try:
            training.run(self._tell, self._lock)
        except PruneError as error:
            if not may_diverge or not exploded(str(error)):
                raise
            return "its gradients were no numbers any more"
        losses = [valid["loss"] for valid in training.history()]
        if not may_diverge or not diverged(losses, self._dense()):
            return None
        return f"{losses[-1]:.2f} bits a token, where the dense model has {self._dense():.2f}"

    def _go_on(self, training: Training) -> None:
        """With what another machine has begun."""
        begun = training.found()["command"]
        if begun == training.command or not training.has_checkpoints():
            return
        try:
            command = going_on(begun, training.command, self._data)
        except PruneError as error:
            raise PruneError(
                f"{training.folder} holds a training, and {error}; go on as it was begun, or "
                f"remove that folder to begin the round anew"
            ) from error
        if command is not None:
            training.go_on_with(command)

    def _tell(self, text: str) -> None:
        self._now, self._made = self._now + 1, self._made + 1
        each = (time.monotonic() - self._started) / self._made
        left = sum(self._epochs) - self._before - self._now
        more = f"; {self._most}about {duration(left * each)} of training left" if left > 0 else ""
        self._say(f"{text}{more}")


def carry_out(
    plan: Plan, rounds_plan: RoundsPlan, trainer: Trainer, scores: Scores, folder: Folder, say: Say
) -> Dict[str, Any]:
    """Make the rounds, as many as the goal needs.

    Returns:
        "round": the one that is kept, and "losses" of those that were scored, in order.
    Raises:
        PruneError: a training failed, or no round keeps the loss within what it may be.
    """
    os.makedirs(rounds_plan.out, exist_ok=True)
    rounds = Rounds(rounds_plan, trainer.train)
    most, losses, kept = plan.asked.goal.max_loss, [], 0
    for r in rounds.run(say):
        trainer.skip(r)
        if most is None:
            kept = r
            continue
        loss = folder.find(f"loss of round {r}", partial(_loss, plan, rounds, scores, r))
        losses.append(loss)
        within = loss <= most
        say(
            f"{rounds.heading(r)}: {loss:+.2f} {plan.metric} lost on {plan.valid}, "
            f"{'within' if within else 'more than'} {most:g}"
        )
        if not within:
            break
        kept = r
    if not kept:
        raise PruneError(
            f"--max-loss {most:g}: pruned to {100 * rounds_plan.sparsities[0]:g}% already, it "
            f"loses {losses[0]:.2f} {plan.metric} on {plan.valid}; allow more, or give more "
            f"--epochs"
        )
    return {"round": kept, "losses": losses}


def _loss(plan: Plan, rounds: Rounds, scores: Scores, r: int) -> float:
    """Of round ``r``'s best model, as packed, on the validation set."""
    path, subset = plan.asked.checkpoint, plan.valid
    packed = os.path.join(rounds.folder(r), "model.packed")
    pack_checkpoint(rounds.best(r), packed, PACKED_VALUES[plan.asked.values])
    before = scores.value("dense", path, subset)
    return scores.loss(before, scores.value(f"round{r}", packed, subset))


def history(rounds: Rounds, count: int, subset: str) -> List[Dict[str, Any]]:
    """Of each round: "sparsity", "command", "seconds" and "validations", as trained."""
    entries: List[Dict[str, Any]] = []
    for r in range(1, count + 1):
        training = Training(rounds.folder(r), rounds.command(r), "", subset)
        made = training.found()  # whatever was asked for since, it is what was done
        entries.append(
            {
                "sparsity": rounds.plan.sparsities[r - 1],
                "command": made["command"],
                "seconds": made["seconds"],
                "validations": training.history(),
            }
        )
    return entries
