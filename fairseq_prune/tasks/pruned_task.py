"""``pruned_<task>``: any fairseq task, with pruning and masked retraining."""

import functools
import logging
from typing import Optional

from fairseq.logging import metrics
from fairseq.logging.meters import AverageMeter
from fairseq.tasks import TASK_DATACLASS_REGISTRY, TASK_REGISTRY, register_task

from ..checkpoints.dictionaries import fingerprints
from ..checkpoints.sentences import exits
from ..fairseq_fixes.exact_resume import ExactResumeMixin
from ..fairseq_fixes.replace_unk import ReplaceUnkMixin
from ..optim.placement import unwrap
from ..pruning import PruneError
from ..runtime.task import RuntimeMixin
from .asked import calibration_of, is_asked
from .calibration import calibrate, logged
from .option_flags import ArgparseOptionsMixin, PatternFlagsMixin
from .options import with_prune_options
from .pruner import Pruner
from .start import find_start
from .target import check_subset, check_target
from .ways_to_train import check_possible

logger = logging.getLogger("fairseq_prune")


class PrunedTaskMixin(PatternFlagsMixin, RuntimeMixin, ExactResumeMixin, ReplaceUnkMixin):
    """Put before a FairseqTask: ``class PrunedX(PrunedTaskMixin, X)``.

    With ``--prune-scheme`` or ``--prune-mask-from``, a ``Pruner`` prunes the model when it
    is due; the pruned optimizer keeps what is pruned at zero. So it does without them where
    the checkpoint that the run starts from is pruned. In any other run nothing differs from X.
    """

    #: makes the trainer hand over the EMA copy, which must be pruned with the model
    uses_ema = True

    #: in training, if the run prunes or keeps a mask
    _pruner: Optional[Pruner] = None
    _epoch: Optional[int] = None

    @classmethod
    def setup_task(cls, cfg, **kwargs):
        if is_asked(cfg):
            # before fairseq looks for the packages that some of these ways need
            with exits():
                check_possible(cfg)
        return super().setup_task(cfg, **kwargs)

    # not decorated: fairseq looks for from_checkpoint in this very signature
    def build_model(self, cfg, from_checkpoint=False):
        with exits():
            start = None if from_checkpoint else find_start(self.prune_cfg)
        model = super().build_model(cfg, from_checkpoint=from_checkpoint)
        if start is not None:
            from ..fairseq_fixes.table import fix_pruned_runs  # which imports this module

            with exits():
                previous = start.check(model, self)
                check_target(self.prune_cfg, previous, model)
                check_subset(self.prune_cfg, self)
            self._pruner = Pruner(self.prune_cfg, previous, fingerprints(self))
            fix_pruned_runs()
        return model

    def train_step(self, sample, model, criterion, optimizer, update_num, *args, **kwargs):
        if self._pruner is not None:
            calibrate = functools.partial(
                self._calibrate, super().train_step, unwrap(model), criterion, update_num
            )
            ema = kwargs.get("ema_model")
            with exits():
                self._pruner.before_update(unwrap(model), optimizer, ema, update_num, calibrate)
        self._drop_unused_ema(kwargs)
        return super().train_step(sample, model, criterion, optimizer, update_num, *args, **kwargs)

    def _calibrate(self, train_step, model, criterion, update, statistic, weights):
        return calibrate(
            self, train_step, model, criterion, statistic, weights, calibration_of(self.prune_cfg),
            update, self._epoch or 1, logged(),
        )  # fmt: skip

    def valid_step(self, sample, model, criterion, **kwargs):
        self._drop_unused_ema(kwargs)
        return super().valid_step(sample, model, criterion, **kwargs)

    def begin_epoch(self, epoch, model):
        self._epoch = epoch
        super().begin_epoch(epoch, model)

    def post_validate(self, model, stats, agg):
        if hasattr(super(), "post_validate"):
            super().post_validate(model, stats, agg)
        if self._pruner is None or not self._pruner.is_short:
            return
        # while no model counts, the best score is out of reach: nothing to plot
        for key in [key for key in stats if key.startswith("best_")]:
            del stats[key]
        if self._epoch == self.prune_cfg.max_epoch:
            logger.warning(
                "the last epoch is short of --prune-sparsity, so there is no best model: give "
                "a larger --max-epoch, or a shorter schedule"
            )

    def _drop_unused_ema(self, kwargs) -> None:
        if not getattr(super(), "uses_ema", False):
            kwargs.pop("ema_model", None)

    def reduce_metrics(self, logging_outputs, criterion):
        super().reduce_metrics(logging_outputs, criterion)
        if self._pruner is not None:
            for key, value in self._pruner.metrics.items():
                # weight 0: the latest value, not an average over the epoch
                metrics.log_scalar(key, value, weight=0, priority=300, round=6)
            _log_with_the_epoch(self._pruner.class_metrics)


def _log_with_the_epoch(values) -> None:
    """Log at the end of training epochs only: there is one of each weight class."""
    epoch = metrics.get_meters("train")
    if epoch is None:
        return
    for key, value in values.items():
        if key not in epoch:
            epoch.add_meter(key, AverageMeter(round=6), priority=310)
        epoch[key].update(value, n=0)


def register_pruned_task(name: str) -> type:
    """Register ``pruned_<name>`` for the fairseq task registered as ``name``.

    It has the options of the original and ``--prune-*``. Returns the class; a second call
    returns the same.

    Raises:
        PruneError: there is no such task.
    """
    if name not in TASK_REGISTRY:
        raise PruneError(f"no task is registered as {name}")
    base = TASK_REGISTRY[name]
    twin = TASK_REGISTRY.get(f"pruned_{name}")
    if twin is not None and issubclass(twin, base):
        return twin
    options = TASK_DATACLASS_REGISTRY.get(name)
    mixins = (PrunedTaskMixin,) if options else (ArgparseOptionsMixin, PrunedTaskMixin)
    pruned = type(
        f"Pruned{base.__name__}",
        (*mixins, base),
        {"__doc__": f"fairseq's {name}, with pruning.", "__module__": __name__},
    )
    dataclass = with_prune_options(options) if options else None
    return register_task(f"pruned_{name}", dataclass=dataclass)(pruned)


def register_all() -> None:
    """Register the pruned twin of every task."""
    for name in list(TASK_REGISTRY):
        if not name.startswith("pruned_"):
            register_pruned_task(name)
