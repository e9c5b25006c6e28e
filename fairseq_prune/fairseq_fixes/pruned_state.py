"""Checkpoints to train on from, where one of the two runs prunes and the other does not."""

import functools
import logging
from typing import Any, Dict, Optional

from fairseq.optim import OPTIMIZER_REGISTRY
from fairseq.trainer import Trainer

from ..checkpoints.weights import find_record
from ..optim.placement import innermost
from ..optim.pruned_optimizer import PrunedOptimizerMixin
from ..pruning import RECORD_KEY
from ..tasks.options import DENSE
from ..tasks.twin import twin_of
from .reading_state import prepared

logger = logging.getLogger("fairseq_prune")


def load_with_pruning_in_mind() -> None:
    """Fix fairseq's loading of checkpoints to train on from, for this process.

    A pruned optimizer goes on with the state of the one it is made of. Where the state is
    another's, fairseq ends with a traceback; here a sentence says what to do. A task that does
    not prune says so before it makes a pruned model dense.
    """
    load = Trainer.load_checkpoint

    @functools.wraps(load)
    def load_checkpoint(self, filename, reset_optimizer=False, *args, **kwargs):
        def prepare(state):
            _prepare(state, self, filename, reset_optimizer)

        try:
            with prepared(prepare):
                loaded = load(self, filename, reset_optimizer, *args, **kwargs)
        except (AssertionError, KeyError) as error:
            # with --reset-optimizer (--finetune-from-model) nothing of this is compared
            said = None if reset_optimizer else _why_not(self, filename)
            if said is None:
                raise
            raise SystemExit(f"fairseq_prune: error: {said}") from error
        # here all processes know of it, above only the one that reads
        if not _knows_pruning(self.task) and getattr(innermost(self.optimizer), "is_pruned", False):
            raise SystemExit(f"fairseq_prune: error: {filename} is pruned; {_advice(self)}")
        return loaded

    Trainer.load_checkpoint = load_checkpoint


def _knows_pruning(task) -> bool:
    return hasattr(task, "prune_cfg")


def _prepare(state: Dict[str, Any], trainer, filename: str, reset_optimizer: bool) -> None:
    """Make the state in a file one that the run can go on with; warn if it becomes dense."""
    own, common = OPTIMIZER_REGISTRY[trainer.cfg.optimizer._name], trainer.cfg.common
    history = state["optimizer_history"][-1]
    # in mixed precision the name is that of a wrapper, the same for both
    if issubclass(own, PrunedOptimizerMixin) and not (common.fp16 or common.bf16 or common.amp):
        if history.get("optimizer_name") == own.made_of.__name__:
            history["optimizer_name"] = own.__name__
    record, optimizer_state = find_record(state), state.get("last_optimizer_state") or {}
    if _knows_pruning(trainer.task):
        if trainer.task.prune_cfg.prune_scheme == DENSE:
            optimizer_state.pop(RECORD_KEY, None)
    elif record and record["masks"] and (reset_optimizer or RECORD_KEY not in optimizer_state):
        logger.warning(f"{filename} is pruned, and this run makes it dense; {_advice(trainer)}")


def _advice(trainer) -> str:
    task, optimizer = trainer.cfg.task._name, trainer.cfg.optimizer._name
    better = optimizer if optimizer.startswith("pruned_") else f"pruned_{optimizer}"
    return (
        f"to keep its mask, give --task {twin_of(task)} --optimizer {better} in place of "
        f"--task {task} --optimizer {optimizer}"
    )


def _why_not(trainer, filename: str) -> Optional[str]:
    """Why the run cannot go on with the state in a file; None where pruning is no part of it."""
    history, own = (trainer._optim_history or [{}])[-1], trainer.cfg.optimizer._name
    if "optimizer_name" not in history:
        return None
    names = {cls.__name__: name for name, cls in OPTIMIZER_REGISTRY.items()}
    was = names.get(history["optimizer_name"], history["optimizer_name"])
    if not _knows_pruning(trainer.task) and not f"{was} {own}".count("pruned_"):
        return None
    weights_alone = (
        "or take its weights alone, with --reset-optimizer, or with --finetune-from-model and "
        "another --save-dir"
    )
    if history["criterion_name"] != type(trainer.get_criterion()).__name__:
        return (
            f"{filename} was trained with {history['criterion_name']}; give its --criterion, "
            f"{weights_alone}"
        )
    if history["optimizer_name"] != type(trainer.optimizer).__name__:
        twin = was if was.startswith("pruned_") else f"pruned_{was}"
        fitting = f"give --optimizer {twin}" if twin in OPTIMIZER_REGISTRY else "train as it did"
        if not _knows_pruning(trainer.task):
            fitting += f" and --task {twin_of(trainer.cfg.task._name)}"
        return (
            f"{filename} holds the state of optimizer {was}, which {own} cannot go on with; "
            f"{fitting}, {weights_alone}"
        )
    if history["lr_scheduler_state"].keys() != trainer.lr_scheduler.state_dict().keys():
        return (
            f"{filename} was trained with another --lr-scheduler than "
            f"{trainer.cfg.lr_scheduler._name}; give that one, or --reset-lr-scheduler"
        )
    return None
