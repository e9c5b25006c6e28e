"""Pruning a model at hand by any score, in one step or several, without retraining."""

from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, Iterable, Mapping, Optional

import torch
from fairseq.tasks import FairseqTask
from torch import Tensor, nn

from ..checkpoints.optimizer_state import state_of_weights
from ..parameters.ties import aliases_of
from ..parameters.weight_classes import fairseq_classes
from ..pruning import (
    Pruned,
    apply_,
    check_reachable,
    find_score,
    prune,
    round_sparsities,
    score_name,
    sparsity,
)
from ..pruning.choice import Choice
from .calibration import calibrate


def prune_model(
    model: nn.Module,
    task: FairseqTask,
    criterion: Optional[nn.Module],
    weights: Iterable[str],
    choice: Choice,
    target: float,
    previous: Optional[Mapping[str, Tensor]] = None,
    progress: Callable[[int, int, float], None] = lambda step, done, share: None,
    state: Callable[[], Mapping[str, Any]] = dict,
) -> Pruned:
    """Prune ``model`` in place to ``target``; what is pruned already stays so.

    Each step prunes the same fraction of what is left.

    Args:
        task: with the data to calibrate with.
        criterion: the loss; None will do for scores that need no data.
        weights: names of the parameters to prune.
        previous: masks of an earlier pruning of these.
        progress: called with the step, from 1, and what ``calibrate`` says of it.
        state: gives the checkpoint that the model is of, for scores by the optimizer's state.
    Returns:
        the last pruning; ``updated`` holds all weights if any step changed survivors.
    Raises:
        PruneError: see ``prune``, ``check_reachable`` and ``calibrate``.
    """
    named = dict(model.named_parameters())
    chosen = {name: named[name].data for name in weights}
    classes = fairseq_classes(chosen, aliases_of(model))
    check_reachable(chosen, classes, choice.scheme, target, previous, choice.floors, choice.score)
    score = find_score(score_name(choice.scheme, choice.score))
    masks = previous or None
    begun = sparsity(masks) if masks else 0.0
    changed = False
    for step, wanted in enumerate(round_sparsities(target, choice.steps, initial=begun), start=1):
        statistics: Dict[str, Tensor] = {}
        if score.state is not None:
            aliases = aliases_of(model)
            statistics = state_of_weights(state(), aliases, score.state, "the checkpoint")
        if score.statistic is not None:
            assert criterion is not None, "the score needs data, and so a loss"
            statistics = calibrate(
                task, task.train_step, model, criterion, score.statistic(), list(chosen),
                choice.calibration, progress=partial(progress, step),
            )  # fmt: skip
        result = prune(
            chosen, classes, choice.scheme, wanted, masks, choice.score, choice.floors,
            statistics, on_the_way=step < choice.steps,
        )  # fmt: skip
        masks, changed = result.masks, changed or bool(result.updated)
        with torch.no_grad():
            for name, weight in chosen.items():
                if name in result.updated:
                    weight.copy_(result.updated[name])
                apply_(weight, masks[name])
    return replace(result, updated=chosen if changed else {})
