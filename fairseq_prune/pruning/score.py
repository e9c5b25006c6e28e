"""What a score is: from weights, and what data said of them, to a number for each weight.

Where weights compete is another question, the scope's (``schemes``).
"""

from dataclasses import dataclass
from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional

import torch
from torch import Tensor

from ..errors import PruneError
from .statistics import Statistic
from .weight_classes import members

#: From a flat piece of a weight and its position in it to the scores of that piece, all >= 0:
#: float32, or float64 where the weight is. Pure: it is called several times for each piece.
Scorer = Callable[[Tensor, int], Tensor]


class Inputs(NamedTuple):
    """What scores can be made of, by the names of the weights.

    Attributes:
        weights: fp32 masters where there are some.
        classes: weight class of each.
        masks: of the pruning before, bool and shaped like the weights; empty before the first.
        statistics: sums over the data, as the score's ``Statistic`` makes them; empty where it
            has none.
    """

    weights: Mapping[str, Tensor]
    classes: Mapping[str, str]
    masks: Mapping[str, Tensor] = {}
    statistics: Mapping[str, Tensor] = {}

    def by_class(self) -> Dict[str, List[str]]:
        """Weight class -> names of its weights."""
        return members({name: self.classes[name] for name in self.weights})


@dataclass(frozen=True)
class Score:
    """What weights are ranked by.

    Attributes:
        scorers: makes the scorer of each weight.
        statistic: what data is asked for it, as a function that makes an empty one; None: it
            needs no data.
        state: the entry of the optimizer's state that stands for the statistic
            ("exp_avg_sq" of Adam); None: none does.
        update: from the inputs, with the new masks, to new values of weights whose survivors
            make up for what is pruned; None: what is kept stays as it is.
        row_share: where no floor of rows is asked for, each row keeps at least this share of the
            density that is left.
        check: from the weight classes: raises PruneError where the options do not fit them, before
            there are statistics. Like ``scorers`` and ``update`` it is given the options.
    """

    scorers: Callable[[Inputs], Dict[str, Scorer]]
    statistic: Optional[Callable[[], Statistic]] = None
    state: Optional[str] = None
    update: Optional[Callable[[Inputs], Dict[str, Tensor]]] = None
    row_share: float = 0.0
    check: Optional[Callable[[Iterable[str]], None]] = None

    @property
    def needs_statistics(self) -> bool:
        return self.statistic is not None or self.state is not None


def check_statistics(name: str, score: Score, inputs: Inputs) -> None:
    """Raise PruneError, naming the weight, where the score ``name`` lacks what it needs.

    And where that is not finite: its mean over the class would blame another weight.
    """
    if not score.needs_statistics:
        return
    for weight in inputs.weights:
        if weight not in inputs.statistics:
            raise no_statistics(weight, name, score)
        statistics = inputs.statistics[weight].detach()
        # in one pass; what does not add up is of no use either, as scores add up traces and means
        total = statistics.sum(dtype=torch.promote_types(statistics.dtype, torch.float32))
        if not bool(torch.isfinite(total)):
            raise PruneError(
                f"the statistics of {weight} for score {name} are NaN, infinite or too large for "
                f"{total.dtype} (gradients are squared); lower the learning rate that it was "
                f"trained with, exclude it, or take score magnitude"
            )


def no_statistics(weight: str, name: str, score: Score) -> PruneError:
    """The error for a weight that data say nothing of, and score ``name`` needs it."""
    why, remedy = "the loss does not depend on it", "exclude it"
    if score.state is not None:  # LayerDrop may have left it out so far
        why, remedy = "no update so far had a gradient of it", "exclude it, prune after more"
    return PruneError(
        f"{weight} has no statistics for score {name} (it is frozen, or {why}); {remedy}, or take "
        f"score magnitude"
    )


def make_scorers(name: str, score: Score, inputs: Inputs) -> Dict[str, Scorer]:
    """The scorer of each weight by the score ``name``.

    Raises:
        PruneError: as ``check_statistics``, or a weight has no scorer.
    """
    if score.check is not None:
        score.check(inputs.classes[weight] for weight in inputs.weights)
    check_statistics(name, score, inputs)
    scorers = score.scorers(inputs) or {}
    for weight in inputs.weights:
        if weight not in scorers:
            raise PruneError(
                f"score {name} has no scorer for {weight}; it is to return one for each weight"
            )
        if not callable(scorers[weight]):
            raise PruneError(
                f"score {name} gives {type(scorers[weight]).__name__} for {weight}; it is to give "
                f"a function of a piece of it and the piece's position"
            )
    return scorers


def updated_weights(name: str, score: Score, inputs: Inputs) -> Dict[str, Tensor]:
    """New values of weights by the ``update`` of score ``name``, if it has one.

    Args:
        inputs: with the masks after the pruning.
    Raises:
        PruneError: it gives something else, or numbers that are NaN or infinite.
    """
    if score.update is None:
        return {}
    updated = score.update(inputs)
    if not isinstance(updated, Mapping) or not all(weight in inputs.weights for weight in updated):
        raise PruneError(
            f"the update of score {name} gives {type(updated).__name__}; it is to give new values "
            f"by the names of the weights"
        )
    for weight, value in updated.items():
        shape = inputs.weights[weight].shape
        if not torch.is_tensor(value) or value.shape != shape:
            raise PruneError(
                f"the update of score {name} gives {_kind(value)} for {weight}; it is to give a "
                f"tensor of shape {tuple(shape)}"
            )
        if not bool(torch.isfinite(value.sum(dtype=torch.float64))):
            raise PruneError(
                f"the update of score {name} makes {weight} NaN or infinite; take a larger damping "
                f"or more samples if it has these, or another score"
            )
    return dict(updated)


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return type(value).__name__


def score_piece(scorer: Scorer, name: str, piece: Tensor, position: int) -> Tensor:
    """The scores of a piece of weight ``name``.

    Raises:
        PruneError: they are not as many floating-point numbers; the weight is named.
    """
    scores = scorer(piece, position)
    if not torch.is_tensor(scores):
        raise PruneError(
            f"the score of {name} gives {type(scores).__name__}; it is to give a tensor"
        )
    if scores.shape != piece.shape or not scores.is_floating_point():
        raise PruneError(
            f"the score of {name} gives {scores.dtype} numbers of shape {tuple(scores.shape)} for "
            f"{piece.numel()} weights; it is to give one floating-point number a weight"
        )
    return scores


def without_signs(scorers: Mapping[str, Scorer]) -> Dict[str, Scorer]:
    """The same scores with 0.0 for -0.0, and a PruneError, naming the weight, for negative ones.

    Not for every selection: it takes a third of its time.
    """

    def unsigned(name: str, scorer: Scorer) -> Scorer:
        def checked(piece: Tensor, position: int) -> Tensor:
            scores = score_piece(scorer, name, piece, position)
            if bool((scores < 0).any()):
                raise PruneError(f"the score of {name} is negative; scores are to be >= 0")
            return scores + 0.0  # -0.0 + 0.0 is 0.0

        return checked

    return {name: unsigned(name, scorer) for name, scorer in scorers.items()}


def given(scores: Tensor) -> Scorer:
    """The scorer of a weight whose ``scores`` are at hand, flat."""
    return lambda piece, position: scores[position : position + piece.numel()].to(piece.device)


def times(factors: Tensor) -> Scorer:
    """|w| times a factor for each weight, flat."""

    def scorer(piece: Tensor, position: int) -> Tensor:
        return sizes(piece) * factors[position : position + piece.numel()].to(piece.device)

    return scorer


def sizes(piece: Tensor) -> Tensor:
    """|w|, exact: float32, and float64 of float64."""
    return piece.abs().to(torch.promote_types(piece.dtype, torch.float32))


def scores_of(scorer: Scorer, weight: Tensor) -> Tensor:
    """The scores of a whole weight, in its shape: for tests and small models."""
    flat = weight.detach().reshape(-1)
    return torch.as_tensor(scorer(flat, 0)).view(weight.shape)
