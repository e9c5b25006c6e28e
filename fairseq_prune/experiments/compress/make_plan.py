"""Planning the rounds that compress a checkpoint, from what is in it."""

import dataclasses
import os
from typing import Callable, List, Optional, Tuple

import torch
from fairseq.models import FairseqLanguageModel, FairseqMultiModel
from fairseq.tasks import FairseqTask

from ...checkpoints.dictionaries import check_dictionaries, find_dictionaries, fingerprints
from ...checkpoints.reading import read_checkpoint
from ...checkpoints.weights import find_record
from ...loading.evaluation import load_model
from ...loading.task_of import config_of, set_up
from ...pruning import PruneError, check_request, find_score, masks_of, sparsity
from ...user_dir import check_prunes
from ..recipes import Recipe, find_recipe
from ..settings import Settings
from ..training_options import parse_training, training_words
from .asked import Asked
from .base import (
    PATTERNS,
    base_words,
    check_given,
    criterion_words,
    dropout_words,
    has,
    no_teacher,
    with_twins,
)
from .own_training import OwnTraining, noted_in, own_training
from .plan import Plan
from .reachable import check_prunings
from .updates import updates_per_epoch

DISTILLATION = "distillation"
#: How many times as long a step takes with a teacher (docs/benchmarks.md: 1.19 to 1.37).
TAUGHT = 1.35


def make_plan(asked: Asked) -> Tuple[Plan, FairseqTask]:
    """The plan, and the checkpoint's task with the data to score on.

    Raises:
        PruneError: the checkpoint cannot be read, the data are not its, or an option makes no
            sense.
    """
    asked.check()
    recipe = _recipe(asked)
    check_given(list(asked.options))
    for name in PATTERNS if asked.goal.max_bytes is not None else ():
        if has(f"--prune-{name}", asked.options):
            raise PruneError(
                f"--max-bytes finds its sparsity for all weights, not with --prune-{name}; give "
                f"--sparsity, or leave --prune-{name} out"
            )
    if asked.user_dir:
        check_prunes(asked.user_dir)
    given = with_twins(list(asked.options))
    asked = dataclasses.replace(asked, options=tuple(given))
    state = read_checkpoint(asked.checkpoint)
    record = find_record(state)
    before = sparsity(masks_of(record, state["model"])) if record and record["masks"] else 0.0
    _check_goal(asked, before)
    settings, noted = Settings(asked.checkpoint), noted_in(state)
    if noted is not None:  # as if from the dense model
        noted.restore(settings)
    if not os.path.isdir(asked.data.split(os.pathsep)[0]):
        raise PruneError(f"DATA {asked.data}: there is no such folder")
    set_up(config_of(asked.checkpoint, asked.data), asked.checkpoint)  # says what is not there
    valid = asked.valid or str(settings.flat.get("valid_subset", "valid")).split(",")[0]
    subsets = list(dict.fromkeys(filter(None, (valid, asked.test))))
    model, task = load_model(asked.checkpoint, asked.data, subsets)
    check_dictionaries(asked.checkpoint, find_dictionaries(state), fingerprints(task))
    if isinstance(model, FairseqMultiModel):
        raise PruneError(
            f"{asked.checkpoint} holds a model for each pair of languages, which this has no score "
            f"of; prune it in fairseq-train, with --task pruned_{settings.task}"
        )
    is_lm = isinstance(model, FairseqLanguageModel)
    if is_lm and (asked.metric or "perplexity") != "perplexity":
        raise PruneError(
            f"--metric {asked.metric} is of translations, and {asked.checkpoint} is a language "
            f"model; give --metric perplexity"
        )
    if is_lm and asked.generate is not None:
        raise PruneError(
            f"--generate is of translations, and {asked.checkpoint} is a language model; leave it "
            f"out"
        )
    here = 0 if asked.cpu else torch.cuda.device_count()
    gpus = here if asked.gpus is None else asked.gpus
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
    tries = recipe.tries(before) if asked.goal.sparsity is None else [asked.goal.sparsity]
    for target in tries[:1]:
        check_prunings(command, recipe, target, record, model, task)
    updates, before_them = updates_per_epoch(
        command, asked.checkpoint, settings.flat, settings.world_size
    )
    own = own_training(settings, state, before_them)
    slower = TAUGHT if taught and (noted or settings.criterion != DISTILLATION) else 1
    seconds = own.seconds and own.seconds / max(1, gpus) / updates * slower
    plan = Plan(
        asked=asked,
        recipe=recipe,
        valid=valid,
        sentences={name: len(task.dataset(name)) for name in subsets},
        before=before,
        is_lm=is_lm,
        on_gpu=here > 0,
        words=[*base, *words],
        dropouts=dropouts,
        scheduled=scheduled,
        lr=_peak(settings, recipe, given, command),
        updates=updates,
        own=own,
        seconds=seconds,
        but=_but(settings, gpus, command),
        teacher=_teacher(asked.checkpoint, before, command),
        hints=_hints(asked.checkpoint, untaught, noted, command)
        + _dropout_hints(recipe, given, command),
    )
    return plan, task


def _check_goal(asked: Asked, before: float) -> None:
    target = asked.goal.sparsity
    if target is not None and target <= round(before, 4):  # as it is said
        raise PruneError(
            f"--sparsity {target:g} is no more than what {asked.checkpoint} is pruned to already "
            f"({before:.4g}); ask for more, or pack it as it is (fairseq-prune pack)"
        )


def _peak(
    settings: Settings, recipe: Recipe, given: List[str], command: List[str]
) -> Callable[[float], float]:
    """From a round's sparsity to its highest learning rate: what is given after --, else in
    proportion to the checkpoint's."""
    args = parse_training(command)[1]
    if any(word.split("=")[0] == "--lr" for word in given):
        return lambda sparsity: max(args.lr)
    return lambda sparsity: recipe.peak(sparsity, args.optimizer) * max(settings.lr)


def _recipe(asked: Asked) -> Recipe:
    recipe = find_recipe(asked.recipe)
    if asked.score is None:
        return recipe
    check_request(recipe.scheme, 0.5, score=asked.score)
    if find_score(asked.score).state is not None:
        raise PruneError(
            f"--score {asked.score} ranks by what an optimizer remembers, and each round begins "
            f"with a new one; give kron, fisher or another"
        )
    return dataclasses.replace(recipe, score=asked.score)


def _teacher(checkpoint: str, before: float, command: List[str]) -> Optional[str]:
    """In words, the teacher in a training's ``command``; None: there is none."""
    args = parse_training(command)[1]
    if args.criterion != DISTILLATION:
        return None
    if args.teacher is None:
        return "the model that it starts from"
    if os.path.abspath(args.teacher) != os.path.abspath(checkpoint):
        return args.teacher
    return "the model that came in" if before else "the dense model"


def _but(settings: Settings, gpus: int, command: List[str]) -> str:
    """Why the trainings may not be as fast as the checkpoint's own was."""
    if not gpus and not settings.flat.get("cpu"):
        return "many times that if it was on a GPU"
    args = parse_training(command)[1]
    kinds = ("bf16", "fp16", "amp")
    same = all(bool(getattr(args, kind)) == bool(settings.flat.get(kind)) for kind in kinds)
    return "" if same else "which was in another precision"


def _hints(
    checkpoint: str, untaught: Optional[str], noted: Optional[OwnTraining], command: List[str]
) -> List[str]:
    """What is to be said of the teacher."""
    if untaught:
        return [f"no round has {checkpoint} as teacher: {untaught}"]
    # what a file names is not read unless the user names it
    args = parse_training(command)[1]
    own = os.path.abspath(checkpoint)
    if noted and os.path.abspath(getattr(args, "teacher", None) or "") == own != noted.checkpoint:
        return [
            f"{checkpoint} was compressed from {noted.checkpoint}; to have that one as teacher "
            f"again, give -- --teacher {noted.checkpoint}"
        ]
    return []


def _dropout_hints(recipe: Recipe, given: List[str], command: List[str]) -> List[str]:
    """What is to be said of a model that is retrained without dropout."""
    dropout = getattr(parse_training(command)[1], "dropout", None)
    if dropout != 0 or recipe.epochs_of <= 1 or has("--dropout", given):
        return []
    return ["trained without dropout; if it fits the training data too well, give -- --dropout 0.1"]
