"""The rounds of ``fairseq-prune iterate``: what each runs, and which are done."""

import os
import sys
from typing import Any, Callable, Dict, List, Optional

from ..checkpoints.prune_file import prune_checkpoint
from ..checkpoints.reading import read_checkpoint
from ..checkpoints.weights import find_record
from ..experiments.jobs import Job
from ..pruning import PruneError, any_of, find_scheme, masks_of, round_sparsities, sparsity
from .choice import choice_of, chooser
from .rounds_folder import RoundsFolder

REWINDS = ("learning-rate", "weights", "none")

#: Options of the training command that a round sets itself.
OWN = (
    "--save-dir",
    "--finetune-from-model",
    "--restore-file",
    "--prune-scheme",
    "--prune-sparsity",
    "--prune-schedule",
    "--prune-mask-from",
    "--prune-include",
    "--prune-exclude",
    "--prune-score",
    "--prune-floor",
    "--prune-row-floor",
    "--prune-samples",
    "--prune-subset",
    "--prune-seed",
    "--prune-steps",
)
#: Options of a round's pruning that are handed on as they are, where they were given.
ASKED = ("score", "floor", "row_floor", "samples", "subset", "seed", "steps")
#: Options that count from the start of training; a round that goes on adds to them.
LENGTHS = ("--max-epoch", "--max-update")


class Rounds:
    """A plan of rounds, carried out one ``fairseq-train`` after another."""

    def __init__(self, args):
        self.args = args
        self._check()
        state = read_checkpoint(args.source)
        record = find_record(state)
        masks = masks_of(record, state["model"]) if record else {}
        self.sparsities = round_sparsities(
            args.sparsity, args.rounds, args.spacing, sparsity(masks)
        )
        if args.sparsity < sparsity(masks):
            raise PruneError(
                f"--sparsity {args.sparsity:g} is below what {args.source} is pruned to already "
                f"({sparsity(masks):.4g}); ask for more"
            )

    def _check(self) -> None:
        args = self.args
        self._choice = choice_of(args)
        if args.rounds < 1:
            raise PruneError(f"--rounds {args.rounds} is out of range; give 1 or more")
        if args.rounds > 1 and find_scheme(args.scheme).sparsity is not None:
            raise PruneError(
                f"--rounds {args.rounds} prunes to other sparsities on the way, and --scheme "
                f"{args.scheme} has one; give --rounds 1"
            )
        if not args.command or args.command[0].startswith("-"):
            raise PruneError("give the training command of a round after --, e.g. -- fairseq-train")
        if any("hydra" in os.path.basename(word) and "train" in word for word in args.command[:3]):
            raise PruneError("iterate takes fairseq-train and its options, not fairseq-hydra-train")
        for word in args.command:
            if word.split("=")[0] in OWN:
                raise PruneError(f"{word.split('=')[0]} is set by each round; leave it out")
        if (args.rewind == "weights") != (args.rewind_to is not None):
            raise PruneError("--rewind weights and --rewind-to CKPT belong together; give both")
        # else each round's training has the data
        if args.rewind == "weights":
            chooser(args, self._choice, args.source, args.sparsity)
        elif args.data is not None:
            raise PruneError("--data is for --rewind weights; a training has its own, leave it out")
        if args.rewind_to is not None:
            read_checkpoint(args.rewind_to)
        words = [word.split("=")[0] for word in args.command]
        if args.rewind == "none" and not any(length in words for length in LENGTHS):
            raise PruneError("--rewind none needs --max-epoch or --max-update, of one round")

    def folder(self, r: int) -> str:
        return os.path.join(self.args.out, f"round{r}")

    def best(self, r: int) -> str:
        """The checkpoint that round ``r`` (0: none yet) leaves to the next."""
        if r == 0:
            return self.args.source
        best = os.path.join(self.folder(r), "checkpoint_best.pt")
        return best if os.path.exists(best) else self._last(r)

    def _mask(self, r: int) -> str:
        return os.path.join(self.args.out, f"mask{r}.pt")

    def _last(self, r: int) -> str:
        return os.path.join(self.folder(r), "checkpoint_last.pt")

    def run(self, say: Callable[[str], None]) -> None:
        """Carry out what is not done yet.

        Raises:
            PruneError: a round failed, the folder is of another plan, or it is in use.
        """
        folder = RoundsFolder(self.args.out, self._plan())
        with folder.lock() as lock:
            done = folder.done()
            for r, target in enumerate(self.sparsities, start=1):
                heading = f"round {r} of {self.args.rounds}, {100 * target:.4g}%"
                if r <= done:
                    say(f"{heading}: done before")
                    continue
                command = self._command(r, target)
                say(f"{heading}: {' '.join(command)}")
                status = self._call(command, lock)
                if status:
                    raise PruneError(
                        f"{heading}: the training command failed (exit status {status}); what it "
                        f"said is above, and the same fairseq-prune command goes on from there"
                    )
                if not os.path.exists(self.best(r)):
                    raise PruneError(f"{heading}: the training command left no {self.best(r)}")
                if os.path.exists(self._mask(r)):
                    os.remove(self._mask(r))
                folder.finish(r)

    def _call(self, command: List[str], lock: int) -> int:
        with Job(command, lock, stdout=sys.stderr if self.args.json else None) as job:
            return job.wait()

    def _command(self, r: int, target: float) -> List[str]:
        """The command of round ``r``, which starts it or goes on with it."""
        command = list(self.args.command)
        own = ["--save-dir", self.folder(r)]
        started = os.path.exists(self._last(r))
        if self.args.rewind == "weights":
            mask = self._mask(r)
            if not started and not os.path.exists(mask):
                best, patterns = self.best(r - 1), (self.args.include, self.args.exclude)
                choose = chooser(self.args, self._choice, best, target)
                prune_checkpoint(best, mask, choose, target, *patterns)
            return [
                *command, *own, "--prune-mask-from", mask,
                "--finetune-from-model", self.args.rewind_to,
            ]  # fmt: skip
        own += ["--prune-scheme", self.args.scheme, "--prune-sparsity", repr(target)]
        for name, value in self._asked().items():
            own += [f"--prune-{name.replace('_', '-')}", str(value)]
        for flag, patterns in (("include", self.args.include), ("exclude", self.args.exclude)):
            if patterns:
                own += [f"--prune-{flag}", any_of(patterns, f"--{flag}")]
        if self.args.rewind == "none" and r > 1:
            start = [] if started else ["--restore-file", self._last(r - 1)]
            return [*_longer(command, r), *own, *start]
        return [*command, *own, "--finetune-from-model", self.best(r - 1)]

    def _asked(self) -> Dict[str, Any]:
        found = {name: getattr(self.args, name) for name in ASKED}
        return {n: v for n, v in found.items() if (v if n == "floor" else v is not None)}

    def _plan(self) -> Dict[str, Any]:
        names = ("scheme", "sparsity", "include", "exclude", "rounds", "spacing", "rewind")
        plan = {name: getattr(self.args, name) for name in names}
        # what a folder of before there were these was made with as well
        plan.update(self._asked())
        for name in ("source", "rewind_to"):
            path = getattr(self.args, name)
            plan[name] = path and os.path.abspath(path)
        return plan

    def summary(self) -> List[Dict[str, Any]]:
        """round, sparsity, best validation score and checkpoint of each round."""
        return [
            {
                "round": r,
                "sparsity": target,
                "best": _score(self.best(r)),
                "checkpoint": self.best(r),
            }
            for r, target in enumerate(self.sparsities, start=1)
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
