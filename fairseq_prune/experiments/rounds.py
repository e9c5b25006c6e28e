"""Rounds of pruning and retraining: what each runs, and which are done."""

import os
import shlex
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from ..checkpoints.prune_file import Choose, prune_checkpoint
from ..checkpoints.reading import read_checkpoint
from ..pruning import PruneError, any_of
from .rounds_folder import RoundsFolder

REWINDS = ("learning-rate", "weights", "none")

#: Options that count from the start of training; a round that goes on adds to them.
LENGTHS = ("--max-epoch", "--max-update")


@dataclass(frozen=True)
class RoundsPlan:
    """What rounds are to be made.

    Attributes:
        source: checkpoint to start from.
        out: folder to make them in.
        sparsities: after each round.
        commands: the training of each round, without the options that a round sets itself
            (``OWN_OF_ROUNDS``); of one, all rounds have it.
        scheme: of pruning, and ``asked`` its further options, without ``--prune-``.
        include, exclude: regular expressions.
        rewind: one of ``REWINDS``, and ``rewind_to`` the checkpoint for weights.
        choose: from a checkpoint and a sparsity to what chooses the weights; for weights alone,
            where the mask is made before the training and not by it.
        noted: option -> value of what makes the rounds what they are, for the folder.
    """

    source: str
    out: str
    sparsities: Sequence[float]
    commands: Sequence[List[str]]
    scheme: str
    asked: Dict[str, Any]
    noted: Dict[str, Any]
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    rewind: str = REWINDS[0]
    rewind_to: Optional[str] = None
    choose: Optional[Callable[[str, float], Choose]] = None


#: Carries out a command of a round: heading, folder, command.
Train = Callable[[str, str, List[str]], None]


class Rounds:
    """A plan of rounds, carried out one training after another."""

    def __init__(self, plan: RoundsPlan, train: Train):
        """
        Args:
            train: carries out a training, and raises PruneError if it fails. Started again with
                the same command, it goes on where it was.
        """
        self.plan, self._train = plan, train

    def heading(self, r: int) -> str:
        count, target = len(self.plan.sparsities), self.plan.sparsities[r - 1]
        return f"round {r} of {count}, {100 * target:.4g}%"

    def folder(self, r: int) -> str:
        return os.path.join(self.plan.out, f"round{r}")

    def best(self, r: int) -> str:
        """The checkpoint that round ``r`` (0: none yet) leaves to the next."""
        if r == 0:
            return self.plan.source
        best = os.path.join(self.folder(r), "checkpoint_best.pt")
        return best if os.path.exists(best) else self._last(r)

    def _mask(self, r: int) -> str:
        return os.path.join(self.plan.out, f"mask{r}.pt")

    def _last(self, r: int) -> str:
        return os.path.join(self.folder(r), "checkpoint_last.pt")

    def run(self, say: Callable[[str], None]) -> Iterator[int]:
        """Carry out what is not done yet, in the plan's folder, which is there and locked.

        Yields:
            each round, from 1, that is done now or was before. Who wants no more stops here.
        Raises:
            PruneError: a round failed, or the folder is of another plan.
        """
        folder = RoundsFolder(self.plan.out, self.plan.noted)
        done = folder.done()
        for r in range(1, len(self.plan.sparsities) + 1):
            heading = self.heading(r)
            if r <= done:
                say(f"{heading}: done before")
                yield r
                continue
            self._make_mask(r)
            command = self.command(r)
            say(f"{heading}: {' '.join(map(shlex.quote, command))}")
            self._train(heading, self.folder(r), command)
            if not os.path.exists(self.best(r)):
                raise PruneError(f"{heading}: the training command left no {self.best(r)}")
            if os.path.exists(self._mask(r)):
                os.remove(self._mask(r))
            folder.finish(r)
            yield r

    def _make_mask(self, r: int) -> None:
        """The mask under which weights of before are trained."""
        plan, mask = self.plan, self._mask(r)
        if plan.rewind != "weights" or os.path.exists(self._last(r)) or os.path.exists(mask):
            return
        assert plan.choose is not None, "weights need it"
        target = plan.sparsities[r - 1]
        choose = plan.choose(self.best(r - 1), target)
        prune_checkpoint(self.best(r - 1), mask, choose, target, plan.include, plan.exclude)

    def command(self, r: int) -> List[str]:
        """The command of round ``r``, which starts it or goes on with it."""
        plan = self.plan
        command = list(plan.commands[r - 1] if len(plan.commands) > 1 else plan.commands[0])
        own = ["--save-dir", self.folder(r)]
        if plan.rewind == "weights":
            assert plan.rewind_to is not None, "weights need it"
            return [
                *command, *own, "--prune-mask-from", self._mask(r),
                "--finetune-from-model", plan.rewind_to,
            ]  # fmt: skip
        own += ["--prune-scheme", plan.scheme, "--prune-sparsity", repr(plan.sparsities[r - 1])]
        for name, value in plan.asked.items():
            own += [f"--prune-{name.replace('_', '-')}", str(value)]
        for flag, patterns in (("include", plan.include), ("exclude", plan.exclude)):
            if patterns:
                own += [f"--prune-{flag}", any_of(patterns, f"--{flag}")]
        if plan.rewind == "none" and r > 1:
            started = os.path.exists(self._last(r))
            start = [] if started else ["--restore-file", self._last(r - 1)]
            return [*_longer(command, r), *own, *start]
        return [*command, *own, "--finetune-from-model", self.best(r - 1)]

    def summary(self) -> List[Dict[str, Any]]:
        """round, sparsity, best validation score and checkpoint of each round."""
        return [
            {
                "round": r,
                "sparsity": target,
                "best": _score(self.best(r)),
                "checkpoint": self.best(r),
            }
            for r, target in enumerate(self.plan.sparsities, start=1)
        ]


def _score(checkpoint: str) -> Optional[float]:
    best = (read_checkpoint(checkpoint).get("extra_state") or {}).get("best")
    return None if best is None else float(best)  # criterions may give numpy's


def _longer(command: List[str], r: int) -> List[str]:
    """``command`` with the lengths of one round made those of ``r``."""
    command = list(command)
    for k, word in enumerate(command):
        option, _, value = word.partition("=")
        if option not in LENGTHS:
            continue
        at = k if value else k + 1
        try:
            times = str(int(value or command[at]) * r)
        except (ValueError, IndexError):
            raise PruneError(f"{option} needs a whole number") from None
        command[at] = f"{option}={times}" if value else times
    return command
