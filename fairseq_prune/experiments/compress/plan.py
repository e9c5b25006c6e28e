"""The rounds that compress a checkpoint."""

import dataclasses
import os
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import torch
from fairseq.models import FairseqLanguageModel
from fairseq.tasks import FairseqTask

from ...analysis.loading import load_model
from ...checkpoints.dictionaries import check_dictionaries, find_dictionaries
from ...checkpoints.reading import read_checkpoint
from ...checkpoints.task_of import config_of, set_up
from ...checkpoints.weights import find_record
from ...pruning import PruneError, masks_of, sparsity
from ...user_dir import check_prunes
from ..recipes import Recipe, find_recipe
from ..rounds import RoundsPlan
from ..settings import Settings
from ..training_options import parse_training, training_words
from .asked import Asked
from .base import (
    base_words,
    check_given,
    criterion_words,
    dropout_words,
    no_teacher,
    scaled,
    with_twins,
)
from .updates import updates_per_epoch

DISTILLATION = "distillation"
#: How many times as long a step takes with a teacher (make bench: 1.27 to 1.37).
TAUGHT = 1.35


@dataclass(frozen=True)
class Plan:
    """What is done to a checkpoint.

    Attributes:
        asked: what for.
        recipe: how.
        valid: validation set.
        before: sparsity of the checkpoint.
        is_lm: whether it is a language model, which translates nothing.
        gpus: 0 on the CPU.
        words: of each round's training but DATA, its dropouts, its length and its schedule.
        dropouts: those of the checkpoint, as options.
        scheduled: whether the schedule is the recipe's, and not given.
        lr: peak learning rate.
        updates: an epoch.
        trained: epochs of the checkpoint's own training; None: it does not say.
        seconds: an update should take, by those of the checkpoint's own training; None: it does
            not say.
        taught: whether the checkpoint is the teacher.
        untaught: why it is not, though by the recipe it were.
    """

    asked: Asked
    recipe: Recipe
    valid: str
    before: float
    is_lm: bool
    gpus: int
    words: List[str]
    dropouts: List[str]
    scheduled: bool
    lr: float
    updates: int
    trained: Optional[int]
    seconds: Optional[float]
    taught: bool
    untaught: Optional[str]

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
            schedule = self.recipe.schedule(self.lr, self.updates, epochs)
        else:  # where it is given after --, that has the last word
            schedule = ["--lr", f"{self.lr:g}"]
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
        if self.recipe.steps > 1:
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


def make_plan(asked: Asked) -> Tuple[Plan, FairseqTask]:
    """The plan, and the checkpoint's task with the data to score on.

    Raises:
        PruneError: the checkpoint cannot be read, the data are not its, or an option makes no
            sense.
    """
    asked.check()
    recipe = find_recipe(asked.recipe)
    check_given(list(asked.options))
    if asked.user_dir:
        check_prunes(asked.user_dir)
    given = with_twins(list(asked.options))
    asked = dataclasses.replace(asked, options=tuple(given))
    state = read_checkpoint(asked.checkpoint)
    record = find_record(state)
    before = sparsity(masks_of(record, state["model"])) if record and record["masks"] else 0.0
    _check_goal(asked, before)
    settings = Settings(asked.checkpoint)
    if not os.path.isdir(asked.data.split(os.pathsep)[0]):
        raise PruneError(f"DATA {asked.data}: there is no such folder")
    set_up(config_of(asked.checkpoint, asked.data), asked.checkpoint)  # says what is not there
    valid = asked.valid or str(settings.flat.get("valid_subset", "valid")).split(",")[0]
    subsets = list(dict.fromkeys(filter(None, (valid, asked.test))))
    model, task = load_model(asked.checkpoint, asked.data, subsets)
    check_dictionaries(asked.checkpoint, find_dictionaries(state), task)
    is_lm = isinstance(model, FairseqLanguageModel)
    if is_lm and (asked.metric or "perplexity") != "perplexity":
        raise PruneError(
            f"--metric {asked.metric} is of translations, and {asked.checkpoint} is a language "
            f"model; give --metric perplexity"
        )
    gpus = 0 if asked.cpu else torch.cuda.device_count()
    base = base_words(settings, given, asked.user_dir, not gpus)
    untaught = no_teacher(settings, given, model) if recipe.teacher_weight else None
    taught = bool(recipe.teacher_weight) and untaught is None
    base += criterion_words(settings, recipe, given, taught)
    base += ["--valid-subset", valid] if asked.valid else []
    scheduled = not any(word.split("=")[0] == "--lr-scheduler" for word in given)
    shown = recipe.schedule(1.0, 1, 1) if scheduled else []
    dropouts = dropout_words(settings, [asked.data, *base, *shown, *given], given)
    words = training_words(settings, asked.data, [*base, *dropouts, *shown], given, gpus)
    command = [asked.data, *base, *dropouts, *words, *shown, *given]
    extra = state.get("extra_state") or {}
    plan = Plan(
        asked=asked,
        recipe=recipe,
        valid=valid,
        before=before,
        is_lm=is_lm,
        gpus=gpus,
        words=[*base, *words],
        dropouts=dropouts,
        scheduled=scheduled,
        lr=_peak(settings, recipe, given, command),
        updates=updates_per_epoch(command, asked.checkpoint),
        trained=_epochs(extra.get("train_iterator") or {}),
        seconds=_seconds(state, extra, taught and settings.criterion != DISTILLATION),
        taught=taught,
        untaught=untaught,
    )
    return plan, task


def _check_goal(asked: Asked, before: float) -> None:
    target = asked.goal.sparsity
    if target is not None and target <= round(before, 4):  # as it is said
        raise PruneError(
            f"--sparsity {target:g} is no more than what {asked.checkpoint} is pruned to already "
            f"({before:.4g}); ask for more, or pack it as it is (fairseq-prune pack)"
        )


def _peak(settings: Settings, recipe: Recipe, given: List[str], command: List[str]) -> float:
    """The highest learning rate: what is given after --, else in proportion to the checkpoint's."""
    if any(word.split("=")[0] == "--lr" for word in given):
        return max(parse_training(command)[1].lr)
    return recipe.lr * max(settings.lr)


def _epochs(iterator: Dict[str, Any]) -> Optional[int]:
    """How many epochs a training has gone through, one at least."""
    epoch = iterator.get("epoch")
    if not isinstance(epoch, int):
        return None
    return max(1, epoch if iterator.get("iterations_in_epoch") else epoch - 1)


def _seconds(state: Dict[str, Any], extra: Dict[str, Any], taught: bool) -> Optional[float]:
    seconds = extra.get("previous_training_time")
    history = state.get("optimizer_history") or [{}]
    updates = history[-1].get("num_updates")
    return seconds / updates * (TAUGHT if taught else 1) if seconds and updates else None
