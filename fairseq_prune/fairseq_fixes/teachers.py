"""The teacher of a training run: loaded before it begins, and known by its checkpoints."""

import functools
import logging
from typing import Optional

from fairseq.modules import AdaptiveSoftmax
from fairseq.trainer import Trainer
from torch import nn

from ..checkpoints.sentences import exits
from ..criterions.distillation import DistillationCriterion
from ..pruning import PruneError

logger = logging.getLogger("fairseq_prune")

#: Where a checkpoint's ``extra_state`` has the digest of the teacher's weights.
KEY = "teacher"


def load_teachers_first() -> None:
    """Let a trainer load its criterion's teacher as it is made, in this process.

    So that mistakes are told before the data are loaded, and files that only name a teacher (of
    ``fairseq-validate``, say) have none loaded. A run that goes on with another teacher says so.
    """
    make, make_state, load = Trainer.__init__, Trainer.state_dict, Trainer.load_checkpoint

    @functools.wraps(make)
    def init(self, *args, **kwargs):
        make(self, *args, **kwargs)
        criterion = self.get_criterion()
        if isinstance(criterion, DistillationCriterion):
            with exits():
                if criterion.weight:
                    check_student(self._model)
                criterion.load_teacher()

    @functools.wraps(make_state)
    def state_dict(self):
        state, digest = make_state(self), _digest(self)
        if digest:
            state["extra_state"][KEY] = digest
        return state

    @functools.wraps(load)
    def load_checkpoint(self, filename, reset_optimizer=False, *args, **kwargs):
        extra_state = load(self, filename, reset_optimizer, *args, **kwargs)
        before, now = (extra_state or {}).get(KEY), _digest(self)
        if before and now and before != now and not reset_optimizer:
            logger.warning(
                f"{filename} was trained with another teacher than "
                f"{self.get_criterion().teacher.path} is now"
            )
        return extra_state

    Trainer.__init__, Trainer.state_dict, Trainer.load_checkpoint = (
        init,
        state_dict,
        load_checkpoint,
    )


def check_student(model: nn.Module) -> None:
    """Raise PruneError if ``model`` cannot be trained by its distribution over all words.

    (A teacher can have an adaptive softmax. fairseq cannot differentiate the whole of one.)
    """
    if any(isinstance(module, AdaptiveSoftmax) for module in model.modules()):
        raise PruneError(
            "--criterion distillation compares distributions over all words, which an adaptive "
            "softmax cannot be trained by; leave --adaptive-softmax-cutoff out"
        )


def _digest(trainer: Trainer) -> Optional[str]:
    criterion = trainer.get_criterion()
    known = isinstance(criterion, DistillationCriterion) and criterion.teacher is not None
    return criterion.teacher.digest if known else None
