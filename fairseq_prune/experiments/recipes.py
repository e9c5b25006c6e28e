"""Recipes: tested choices of how a checkpoint is pruned and retrained."""

import math
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Tuple

from ..pruning import PruneError

#: From the peak learning rate, the updates of an epoch and the epochs of a round to the options of
#: its learning rate schedule.
Schedule = Callable[[float, int, int], List[str]]


#: Of a sparsity: a checkpoint that is so close below a round's has it, but for whole numbers of
#: weights in each row or class.
SLACK = 1e-3
#: Optimizers whose steps are in proportion to gradients.
PLAIN = ("sgd", "nag")
#: A round leaves at most this share of the weights that the one before left.
NEXT = 0.9
#: The largest sparsity whose learning rate was tried.
MOST_MEASURED = 0.95


def linear(lr: float, updates: int, epochs: int) -> List[str]:
    """A few updates up, then straight down to a hundredth of ``lr``."""
    total = updates * epochs
    return [
        "--lr-scheduler", "polynomial_decay", "--lr", f"{lr:g}", "--warmup-updates",
        str(max(1, total // 50)), "--total-num-update", str(total + 1), "--end-learning-rate",
        f"{lr / 100:g}",
    ]  # fmt: skip


def by_connections(sparsity: float) -> float:
    """sqrt(C_r / C_o), by which dropout shrinks with the weights that are left: a smaller model
    overfits less (Han et al. 2015, "Learning both Weights and Connections", section 3.2)."""
    return math.sqrt(1 - sparsity)


def by_width(sparsity: float) -> float:
    """1.5 sqrt(C_o / C_r), by which the learning rate grows with what is pruned (docs/recipes.md);
    beyond 95% as at 95%, 6.7 times.

    A matrix with fewer weights in a row is like a narrower one, which with Adam wants larger
    rates: for training from nothing by the density itself (Dey, Bergsma and Hestness 2024,
    arXiv:2405.15743).
    """
    return 1.5 / math.sqrt(1 - min(sparsity, MOST_MEASURED))


def half_more(sparsity: float) -> float:
    """With SGD what width a matrix has does not matter (Yang et al. 2022, arXiv:2203.03466,
    table 3)."""
    return 1.5


def as_it_was(sparsity: float) -> float:
    return 1.0


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is pruned and retrained, in rounds.

    Attributes:
        about: what it is, in a sentence with a place for the score, but for the teacher.
        scheme, score, steps: of each round's pruning, as of ``fairseq-prune prune``.
        on_the_way: sparsities of the rounds before the last, as far as they are below the target by
            more than a little (``NEXT``).
        epochs_of: epochs of all rounds together, in units of the checkpoint's own training.
        last: share of all epochs that the last round has; those before share the rest.
        teacher_weight: share of the loss that is the dense model's distribution; 0: no teacher.
        dropout: from a round's sparsity to what the checkpoint's dropout is multiplied with.
        lr: from a round's sparsity to its peak learning rate, in units of the checkpoint's.
        plain_lr: the same for optimizers whose steps are in proportion to gradients (``PLAIN``).
        schedule: how it goes through a round.
        average: checkpoints of the last epochs whose mean is kept if it is better; 1: none.
        targets: sparsities to try in turn where a loss is given and no sparsity.
    """

    about: str
    scheme: str = "class-blind"
    score: str = "kron"
    steps: int = 1
    on_the_way: Tuple[float, ...] = (0.65, 0.8, 0.9, 0.95)
    epochs_of: float = 2.0
    last: float = 0.5
    teacher_weight: float = 0.8
    dropout: Callable[[float], float] = by_connections
    lr: Callable[[float], float] = by_width
    plain_lr: Callable[[float], float] = half_more
    schedule: Schedule = linear
    average: int = 3
    targets: Tuple[float, ...] = (0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98)

    def peak(self, sparsity: float, optimizer: str) -> float:
        """A round's highest learning rate, in units of the checkpoint's.

        Args:
            optimizer: as ``--optimizer`` has it, with or without ``pruned_``.
        """
        name = optimizer[len("pruned_") :] if optimizer.startswith("pruned_") else optimizer
        return (self.plain_lr if name in PLAIN else self.lr)(sparsity)

    def said(self, teacher: Optional[str]) -> str:
        """What was done by it.

        Args:
            teacher: in words; None: there was none, as not every model can have one.
        """
        about = self.about.format(score=self.score)
        return f"{about} with {teacher} as teacher" if teacher else f"{about} without a teacher"

    def sparsities(self, target: float, before: float = 0.0) -> List[float]:
        """After each round.

        Args:
            before: sparsity of the checkpoint.
        """
        most = 1 - (1 - target) / NEXT
        return [*(x for x in self.on_the_way if before + SLACK < x <= most), target]

    def tries(self, before: float = 0.0) -> List[float]:
        """``targets``, as far as they are above the sparsity of the checkpoint."""
        return [x for x in self.targets if x > before + SLACK]

    def epochs(self, total: int, rounds: int) -> List[int]:
        """Of each round, one or more.

        Args:
            total: as many as rounds, or more.

        >>> Recipe("").epochs(20, 3)
        [5, 5, 10]
        """
        before = rounds - 1
        last = min(math.ceil(total * self.last), total - before) if before else total
        rest = total - last
        return [*(rest // before + (k < rest % before) for k in range(before)), last]


RECIPES: Dict[str, Recipe] = {
    "rounds": Recipe(
        "prunes by the score {score}, all classes together, in rounds, each retrained"
    ),
    "magnitude": Recipe(
        "prunes by the score {score}, within each class, in one round, and retrains",
        scheme="class-uniform",
        score="magnitude",
        on_the_way=(),
        epochs_of=1.0,
        teacher_weight=0.0,
        lr=as_it_was,
        plain_lr=as_it_was,
        dropout=as_it_was,
    ),
}


def find_recipe(name: str) -> Recipe:
    """
    Raises:
        PruneError: there is none of that name.
    """
    if name not in RECIPES:
        raise PruneError(f"--recipe {name} is unknown; choose from {', '.join(RECIPES)}")
    return RECIPES[name]
