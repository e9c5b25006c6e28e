"""The options of fairseq-train that compressing a checkpoint decides, and not the checkpoint."""

import os
from typing import List, Optional, Sequence

from fairseq.modules import AdaptiveSoftmax
from fairseq.optim import OPTIMIZER_REGISTRY
from fairseq.tasks import TASK_REGISTRY
from torch import nn

from ...optim.pruned_optimizer import PrunedOptimizerMixin
from ...pruning import PruneError
from ..own_options import OWN_OF_ROUNDS
from ..recipes import Recipe
from ..settings import Settings
from ..training_options import parse_training

#: The folder of this package, a plugin of fairseq's.
PLUGIN = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: Criterions whose place distillation can take: both learn each word of the reference.
OF_WORDS = ("cross_entropy", "label_smoothed_cross_entropy", "distillation")
#: Options of pruning that say which weights.
PATTERNS = ("include", "exclude")
#: Options of pruning that all rounds have as they are given.
OF_ALL_ROUNDS = tuple(
    f"--prune-{name}"
    for name in (*PATTERNS, "floor", "row-floor", "subset", "samples", "seed", "steps")
)
#: Options that may not come after --, and what says it instead.
DECIDED = {
    **{name: "each round sets it" for name in OWN_OF_ROUNDS if name not in OF_ALL_ROUNDS},
    "--prune-score": "give --score before --",
    "--max-epoch": "give --epochs before --",
    "--max-update": "give --epochs before --",
    "--valid-subset": "give --valid before --",
    "--user-dir": "give it before --",
    "--cpu": "give it before --",
    "--task": "it is the checkpoint's",
    "--arch": "it is the checkpoint's",
    "--log-format": "the trainings' logs are read",
    "--log-file": "the trainings' logs are read",
    "--wandb-project": "give it before --",
    "--no-epoch-checkpoints": "they are averaged",
    "--keep-last-epochs": "they are averaged",
    "--no-save": "each round starts from the one before",
    "--no-last-checkpoints": "an interrupted round goes on from it",
    "--disable-validation": "the best model is looked for",
}


def check_given(words: List[str]) -> None:
    """Raise PruneError if ``words``, options after --, have one that is decided here."""
    for word in words:
        name = word.split("=")[0]
        if name in DECIDED:
            raise PruneError(f"{name} is not for this: {DECIDED[name]}; leave it out after --")


def with_twins(words: List[str]) -> List[str]:
    """``words``, options after --, with optimizers as pruned twins.

    Raises:
        PruneError: one has none.
    """
    words = list(words)
    for k, word in enumerate(words):
        option, equals, name = word.partition("=")
        if option != "--optimizer" or not (equals or words[k + 1 :]):
            continue
        at = k if equals else k + 1
        name = name if equals else words[at]
        known = OPTIMIZER_REGISTRY.get(name)
        if known is None or issubclass(known, PrunedOptimizerMixin):
            continue  # of what is unknown, fairseq says what there is
        if f"pruned_{name}" not in OPTIMIZER_REGISTRY:
            raise PruneError(
                f"--optimizer {name} has no pruned_{name} to prune with; give another after --"
            )
        words[at] = f"{option}=pruned_{name}" if equals else f"pruned_{name}"
    return words


def base_words(
    settings: Settings, given: List[str], user_dir: Optional[str], cpu: bool
) -> List[str]:
    """Task, architecture and optimizer, as pruned twins.

    Raises:
        PruneError: there are no such twins.
    """
    task, optimizer = f"pruned_{settings.task}", f"pruned_{settings.optimizer}"
    for option, name, twin, registry in (
        ("task", settings.task, task, TASK_REGISTRY),
        ("optimizer", settings.optimizer, optimizer, OPTIMIZER_REGISTRY),
    ):
        if twin not in registry:
            raise PruneError(
                f"{settings.path} was trained with --{option} {name}, which has no {twin} to prune "
                f"with"
            )
    words = ["--user-dir", user_dir or PLUGIN, "--task", task, "--arch", settings.arch]
    if not has("--optimizer", given):
        words += ["--optimizer", optimizer]
    return [*words, "--cpu"] if cpu else words


def dropout_words(settings: Settings, command: List[str], given: List[str]) -> List[str]:
    """The checkpoint's dropouts, of whatever kinds, that ``given`` does not set.

    Args:
        command: with the architecture, which says what kinds there are.
    """
    known = parse_training(command)[0]._option_string_actions
    words = []
    for name, value in settings.flat.items():
        option = "--" + name.replace("_", "-")
        if "dropout" in name and type(value) is float and value > 0 and option in known:
            words += [] if has(option, given) else [option, f"{value:g}"]
    return words


def scaled(dropouts: List[str], factor: float) -> List[str]:
    """``dropout_words``, multiplied."""
    pairs = zip(dropouts[::2], dropouts[1::2])
    return [word for option, value in pairs for word in (option, f"{float(value) * factor:.3g}")]


def no_teacher(settings: Settings, given: List[str], model: nn.Module) -> Optional[str]:
    """Why the checkpoint cannot be the teacher; None: it can."""
    if has("--criterion", given):
        return "--criterion is given after --"
    if settings.criterion not in OF_WORDS:
        return f"--criterion {settings.criterion}, which it was trained with, has no place for it"
    if any(isinstance(module, AdaptiveSoftmax) for module in model.modules()):
        return "an adaptive softmax does not give the distribution that is learnt from"
    return None


def criterion_words(
    settings: Settings, recipe: Recipe, given: List[str], taught: bool
) -> List[str]:
    """The criterion, with the checkpoint as teacher if it is ``taught`` by it.

    Raises:
        PruneError: ``given`` has a teacher for another criterion.
    """
    if has("--criterion", given):
        return []
    if has("--teacher", given) and not taught:
        raise PruneError(
            "--teacher, given after --, is an option of --criterion distillation, which no round "
            "has; give that after -- too, or leave --teacher out"
        )
    if taught:
        teacher = ["--teacher", os.path.abspath(settings.path)]
        weight = ["--teacher-weight", f"{recipe.teacher_weight:g}"]
        own = [] if has("--teacher", given) else teacher
        return ["--criterion", "distillation", *own, *weight]
    named = settings.criterion
    return ["--criterion", "label_smoothed_cross_entropy" if named == "distillation" else named]


def has(option: str, words: Sequence[str]) -> bool:
    """Whether ``words`` set ``option``."""
    return any(word.split("=")[0] == option for word in words)
