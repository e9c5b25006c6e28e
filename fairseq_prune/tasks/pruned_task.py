"""``pruned_<task>``: any fairseq task, with one-shot pruning and masked retraining."""

import functools
import inspect
import logging

from fairseq import checkpoint_utils
from fairseq.logging import metrics
from fairseq.optim import OPTIMIZER_REGISTRY
from fairseq.tasks import TASK_DATACLASS_REGISTRY, TASK_REGISTRY, register_task

from ..models.weight_classes import fairseq_classes, fairseq_prunable
from ..optim.placement import innermost, master_view, masters, unwrap
from ..optim.pruned_optimizer import Held, PrunedOptimizerMixin
from ..pruning import PruneError, apply_, describe, make_record, masks_of, prune, sparsity
from .exact_resume import ExactResumeMixin
from .options import patterns, with_prune_options
from .replace_unk import ReplaceUnkMixin
from .start import check_options, check_start

logger = logging.getLogger("fairseq_prune")


def says_it_in_a_sentence(method):
    """A user's mistake ends the run with its sentence and exit status 1, no traceback."""

    @functools.wraps(method)
    def wrapped(*args, **kwargs):
        try:
            return method(*args, **kwargs)
        except PruneError as error:
            # not an Exception: fairseq's trainer would write a crash checkpoint
            raise SystemExit(f"fairseq_prune: error: {error}") from error

    return wrapped


class PrunedTaskMixin(ExactResumeMixin, ReplaceUnkMixin):
    """Put before a FairseqTask: ``class PrunedX(PrunedTaskMixin, X)``.

    With ``--prune-scheme``, the model is pruned before the first update after the
    checkpoint is loaded, unless that checkpoint carries a mask already (a resumed run);
    from then on the pruned optimizer keeps it. Without, nothing differs from X.
    """

    #: makes the trainer hand over the EMA copy, which must be pruned with the model
    uses_ema = True

    _holder = None
    _sparsity = None

    # not decorated: fairseq looks for from_checkpoint in this very signature
    def build_model(self, cfg, from_checkpoint=False):
        starts_training = self.cfg.prune_scheme is not None and not from_checkpoint
        if starts_training:
            says_it_in_a_sentence(check_options)(self.cfg)
        build = super().build_model
        if "from_checkpoint" in inspect.signature(build).parameters:
            model = build(cfg, from_checkpoint=from_checkpoint)
        else:
            model = build(cfg)
        if starts_training:
            says_it_in_a_sentence(check_start)(self.cfg, model)
        return model

    def train_step(self, sample, model, criterion, optimizer, *args, **kwargs):
        ema = kwargs.get("ema_model")
        self._hold_pruning(unwrap(model), optimizer, ema)
        self._drop_unused_ema(kwargs)
        return super().train_step(sample, model, criterion, optimizer, *args, **kwargs)

    def valid_step(self, sample, model, criterion, **kwargs):
        self._drop_unused_ema(kwargs)
        return super().valid_step(sample, model, criterion, **kwargs)

    def _drop_unused_ema(self, kwargs) -> None:
        if not getattr(super(), "uses_ema", False):
            kwargs.pop("ema_model", None)

    def reduce_metrics(self, logging_outputs, criterion):
        super().reduce_metrics(logging_outputs, criterion)
        if self._sparsity is not None:
            # weight 0: the latest value, not an average over the epoch
            metrics.log_scalar("sparsity", self._sparsity, weight=0, priority=300, round=4)

    @says_it_in_a_sentence
    def _hold_pruning(self, model, optimizer, ema) -> None:
        """Once for each optimizer: take up its mask, or make one if one is asked for."""
        inner = innermost(optimizer)
        if inner is self._holder:
            return
        asked = self.cfg.prune_scheme is not None
        if not isinstance(inner, PrunedOptimizerMixin):
            if asked:
                raise PruneError(_needs_pruned_optimizer(inner))
            self._holder = inner
            return
        record = inner.prune_record
        if record is not None or asked:
            named = dict(model.named_parameters())
            placed = masters(optimizer, named)
            if record is not None:
                self._check_same_request(record)
                masks = masks_of(record, named)
            else:
                masks, record = self._prune(named, placed)
            held = [Held.place(*placed[name], mask) for name, mask in masks.items()]
            inner.hold(record, held)
            copies = dict(ema.named_parameters()) if ema is not None else {}
            for name, mask in masks.items():
                apply_(named[name].data, mask)
                if name in copies:
                    apply_(copies[name].data, mask)
            self._sparsity = sparsity(masks)
        self._holder = inner

    def _prune(self, named, placed):
        """Choose the masks by the weights the optimizer trains (fp32 masters under fp16)."""
        weights = {
            name: master_view(*placed[name], like=param)
            for name, param in fairseq_prunable(
                named, patterns(self.cfg.prune_include), patterns(self.cfg.prune_exclude)
            ).items()
        }
        result = prune(
            weights, fairseq_classes(weights), self.cfg.prune_scheme, self.cfg.prune_sparsity
        )
        logger.info(describe(result))
        # what a denser model scored is no longer the score to beat
        if hasattr(checkpoint_utils.save_checkpoint, "best"):
            del checkpoint_utils.save_checkpoint.best
        record = make_record(result, self.cfg.prune_sparsity)
        record.update(include=self.cfg.prune_include, exclude=self.cfg.prune_exclude)
        return result.masks, record

    def _check_same_request(self, record) -> None:
        if self.cfg.prune_scheme is None:
            logger.info("continuing under the mask of the checkpoint (no --prune-scheme given)")
            return
        for flag, asked, done in (
            ("--prune-scheme", self.cfg.prune_scheme, record["scheme"]),
            ("--prune-sparsity", self.cfg.prune_sparsity, record["sparsity"]),
            ("--prune-include", self.cfg.prune_include, record.get("include")),
            ("--prune-exclude", self.cfg.prune_exclude, record.get("exclude")),
        ):
            if asked != done:
                raise PruneError(
                    f"{flag} {asked}: the checkpoint this run continues was pruned with {flag} "
                    f"{done}; ask for the same, or start anew with --finetune-from-model and "
                    f"another --save-dir"
                )


def _needs_pruned_optimizer(inner) -> str:
    names = [name for name, cls in OPTIMIZER_REGISTRY.items() if cls is type(inner)]
    name = names[0] if names else type(inner).__name__
    return (
        f"--prune-scheme with --optimizer {name}, which would revive pruned weights; "
        f"use --optimizer pruned_{name}"
    )


def register_pruned_task(name: str) -> type:
    """Register ``pruned_<name>`` for the fairseq task registered as ``name``.

    It has the options of the original and ``--prune-*``. Returns the class.

    Raises:
        PruneError: there is no such task, or it has no dataclass config.
    """
    if name not in TASK_REGISTRY:
        raise PruneError(f"no task is registered as {name}")
    if name not in TASK_DATACLASS_REGISTRY:
        raise PruneError(
            f"task {name} declares its options with add_args; register it with a dataclass "
            f"config, @register_task('{name}', dataclass=...), so that options can be added"
        )
    base = TASK_REGISTRY[name]
    pruned = type(
        f"Pruned{base.__name__}",
        (PrunedTaskMixin, base),
        {"__doc__": f"fairseq's {name}, with pruning.", "__module__": __name__},
    )
    options = with_prune_options(TASK_DATACLASS_REGISTRY[name])
    return register_task(f"pruned_{name}", dataclass=options)(pruned)


def register_all() -> None:
    """Register the pruned twin of every task with a dataclass config."""
    for name in list(TASK_DATACLASS_REGISTRY):
        if not name.startswith("pruned_"):
            register_pruned_task(name)
