"""What a report ranks weights by, whatever the scheme."""

from functools import partial
from typing import Callable, Dict, Mapping, NamedTuple, Optional

from torch import Tensor

from ..checkpoints.choose import of_optimizer
from ..loading.evaluation import criterion_of, load_model
from ..parameters.ties import aliases_of
from ..parameters.weight_classes import fairseq_prunable
from ..pruning import (
    USUAL_FLOORS,
    Floors,
    Inputs,
    Pruned,
    Scorer,
    find_scheme,
    find_score,
    prune,
    score_name,
)
from ..pruning.choice import Choice
from ..tasks.calibration import calibrate


class Ranking(NamedTuple):
    """A score, and what data or the optimizer said of the weights of one model for it."""

    score: Optional[str] = None  # None: what each scheme usually ranks by
    floors: Floors = USUAL_FLOORS
    statistics: Mapping[str, Tensor] = {}

    @property
    def name(self) -> str:
        """What class-blind ranks by."""
        return score_name("class-blind", self.score)

    def scorers(
        self, weights: Mapping[str, Tensor], classes: Mapping[str, str]
    ) -> Dict[str, Scorer]:
        """The scorer of each weight, as class-blind has it."""
        inputs = Inputs(weights, classes, {}, self.statistics)
        return find_score(self.name).scorers(inputs)

    def prune(
        self,
        weights: Mapping[str, Tensor],
        classes: Mapping[str, str],
        scheme: str,
        sparsity: float,
    ) -> Pruned:
        """At once; a scheme with a score of its own ranks by that. Raises as ``pruning.prune``."""
        own = find_scheme(scheme).own_score is not None
        return prune(
            weights, classes, scheme, sparsity, score=None if own else self.score,
            floors=self.floors, statistics=self.statistics,
        )  # fmt: skip


BY_MAGNITUDE = Ranking()


def ranking_of(
    source: str,
    choice: Choice,
    data: Optional[str],
    progress: Callable[[int, int, float], None] = lambda step, done, share: None,
) -> Ranking:
    """By the score of ``choice``, of checkpoint ``source`` as it is.

    Args:
        data: folder of binarised data, for scores that look at some.
        progress: as of ``prune_model``.
    """
    score = find_score(score_name(choice.scheme, choice.score))
    statistics: Mapping[str, Tensor] = {}
    if score.state is not None:
        statistics = of_optimizer(source, score.state)
    if score.statistic is not None:
        model, task = load_model(source, str(data), [])
        weights = fairseq_prunable(dict(model.named_parameters()), aliases=aliases_of(model))
        statistics = calibrate(
            task, task.train_step, model, criterion_of(source, task), score.statistic(), weights,
            choice.calibration, progress=partial(progress, 1),
        )  # fmt: skip
    return Ranking(choice.score, choice.floors, statistics)
