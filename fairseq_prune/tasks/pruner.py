"""When a training run prunes, and what it remembers of it in its checkpoints."""

import logging
from typing import Any, Dict, Optional

from fairseq.optim import OPTIMIZER_REGISTRY

from ..models.weight_classes import fairseq_classes, fairseq_prunable
from ..models.weight_norm import check_weight_norm
from ..optim.placement import innermost, master_view, masters
from ..optim.pruned_optimizer import UNSUPPORTED, Held, PrunedOptimizerMixin
from ..pruning import (
    PruneError,
    apply_,
    describe,
    due,
    empty_record,
    make_record,
    make_schedule,
    masks_of,
    members,
    prune,
    sparsity,
)
from .agreement import check_agreement
from .best_model import EarlyStopping, judge_from_here, judge_nothing
from .options import is_asked, patterns, schedule_options
from .start import continues_itself

logger = logging.getLogger("fairseq_prune")


class Pruner:
    """Prunes one model when its schedule says so, and hands the mask to its optimizer.

    All it knows is in the record that the optimizer saves, so that a run that was
    interrupted prunes as one that was not.
    """

    def __init__(self, cfg, prior: Optional[Dict[str, Any]] = None):
        """
        Args:
            cfg: config of the task.
            prior: the record of the mask that the run starts with, if any.
        """
        self.cfg = cfg
        self._prior = prior
        self._asked = is_asked(cfg)
        self._holder = None
        self._record: Dict[str, Any] = {}
        self._masks: Dict[str, Any] = {}
        self._schedule = ()
        #: to log with each update, and with each epoch; empty before the first mask
        self.metrics: Dict[str, float] = {}
        self.class_metrics: Dict[str, float] = {}

    def before_update(self, model, optimizer, ema, update: int) -> None:
        """Prune if it is due. To be called before the forward pass.

        Args:
            model: not wrapped.
            optimizer: the trainer's, wrapped or not.
            ema: the model of moving averages, or None.
            update: how many updates were done.
        """
        inner = innermost(optimizer)
        if inner is not self._holder:
            self._holder = inner
            if self._is_ours(inner):
                self._take_up(inner, model, optimizer, ema, update)
        if self._schedule:
            wanted = due(self._schedule, update - self._record["run"]["start"])
            if wanted is not None and wanted > self._record["run"]["reached"]:
                self._prune(wanted, inner, model, optimizer, ema)

    def _is_ours(self, inner) -> bool:
        if not isinstance(inner, PrunedOptimizerMixin):
            if self._asked:
                raise PruneError(_needs_pruned_optimizer(inner))
            return False
        return self._asked or inner.prune_record is not None

    def _take_up(self, inner, model, optimizer, ema, update) -> None:
        """Continue the run that the checkpoint is of, or begin one."""
        record = inner.prune_record
        if record is not None and self._asked and not self._is_continued(record):
            if self.cfg.prune_mask_from is None:
                self._prior = record
            record = None
        begins = record is None
        if begins:
            record = self._begin(dict(model.named_parameters()), update)
        self._record = record
        if self._asked and self.cfg.prune_mask_from is None:
            run = record["run"]
            self._schedule = make_schedule(
                run["schedule"], run["target"], run, initial=run["initial"]
            )
        elif not self._asked:
            logger.info("continuing under the mask of the checkpoint (no --prune-scheme given)")
        self._hold(inner, model, optimizer, ema)
        inner.before_saving = self._remember_early_stopping
        if self._is_short():
            judge_nothing(self.cfg.maximize_best_checkpoint_metric)
        elif begins:
            judge_from_here()
        elif "early_stopping" in record:
            EarlyStopping(*record["early_stopping"]).restore()

    def _begin(self, named, update: int) -> Dict[str, Any]:
        """The record of a run that begins: under the prior mask, or under none."""
        if self.cfg.prune_mask_from is not None:
            logger.info(f"training under the mask of {self.cfg.prune_mask_from}")
            return {**self._prior, "run": {"mask_from": self.cfg.prune_mask_from}}
        initial = sparsity(masks_of(self._prior, named)) if self._prior else 0.0
        record = dict(self._prior) if self._prior else empty_record(self.cfg.prune_scheme)
        options = schedule_options(self.cfg)
        schedule = make_schedule(self.cfg.prune_schedule, self.cfg.prune_sparsity, options, initial)
        _check_reached(schedule, self.cfg.max_update, update)
        if len(schedule) > 1:
            steps = ", ".join(f"{100 * s:.4g}% at {t}" for t, s in schedule)
            logger.info(f"{self.cfg.prune_schedule} schedule (updates from here): {steps}")
        record.update(
            include=self.cfg.prune_include,
            exclude=self.cfg.prune_exclude,
            run={
                "schedule": self.cfg.prune_schedule,
                "target": self.cfg.prune_sparsity,
                **options,
                "start": update,
                "initial": initial,
                "prunes": 0,
                # below any: the first step prunes, be it to what is pruned already; but the
                # first of a gradual schedule is where it starts
                "reached": initial if self.cfg.prune_schedule == "gradual" else -1.0,
            },
        )
        return record

    def _prune(self, wanted: float, inner, model, optimizer, ema) -> None:
        """Choose the mask by the weights the optimizer trains (fp32 masters under fp16)."""
        named = dict(model.named_parameters())
        placed = masters(optimizer, named)
        weights = {
            name: master_view(*placed[name], like=param)
            for name, param in fairseq_prunable(
                named, patterns(self.cfg.prune_include), patterns(self.cfg.prune_exclude)
            ).items()
        }
        result = prune(
            weights, fairseq_classes(weights), self.cfg.prune_scheme, wanted, self._masks
        )
        check_weight_norm(result.masks, named)
        logger.info(describe(result))
        kept = {key: self._record[key] for key in ("include", "exclude", "run")}
        prunes = kept["run"]["prunes"] + 1
        kept["run"] = {**kept["run"], "prunes": prunes, "reached": wanted}
        self._record = {**make_record(result, wanted), **kept}
        self._hold(inner, model, optimizer, ema)
        if not self._is_short():
            judge_from_here()

    def _hold(self, inner, model, optimizer, ema) -> None:
        named = dict(model.named_parameters())
        placed = masters(optimizer, named)
        self._masks = masks_of(self._record, named)
        check_agreement(self._masks)
        held = [Held.place(*placed[name], mask) for name, mask in self._masks.items()]
        inner.hold(self._record, held)
        copies = dict(ema.named_parameters()) if ema is not None else {}
        for name, mask in self._masks.items():
            apply_(named[name].data, mask)
            if name in copies:
                apply_(copies[name].data, mask)
        if self._masks:
            self._note_metrics()

    def _is_short(self) -> bool:
        """Whether the schedule has steps to come."""
        return bool(self._schedule) and self._record["run"]["reached"] < self._schedule[-1].sparsity

    def _remember_early_stopping(self) -> None:
        self._record["early_stopping"] = list(EarlyStopping.now())

    def _is_continued(self, record) -> bool:
        """Whether the checkpoint is of this very run; if not, it is where a new one starts.

        Raises:
            PruneError: it is in the run's own folder, but was asked for something else.
        """
        if self.cfg.prune_mask_from is not None:
            return continues_itself(self.cfg)
        run = record.get("run", {})
        done = {
            "scheme": record["scheme"],
            "sparsity": run.get("target", record["sparsity"]),
            "include": record.get("include"),
            "exclude": record.get("exclude"),
        }
        done.update((key, run.get(key)) for key in ("schedule", *schedule_options(self.cfg)))
        for key, was in done.items():
            asked = getattr(self.cfg, f"prune_{key}")
            if asked == was:
                continue
            if not continues_itself(self.cfg):
                return False
            raise PruneError(
                f"--prune-{key} {asked}: the checkpoint this run continues was pruned with "
                f"--prune-{key} {was}; ask for the same, or start anew with "
                f"--finetune-from-model and another --save-dir"
            )
        return "run" in record

    def _note_metrics(self) -> None:
        """Once for each mask: counting takes a pass over it."""
        thresholds = self._record["threshold"]
        self.metrics = {"sparsity": sparsity(self._masks)}
        if "prunes" in self._record.get("run", {}):
            self.metrics["prunes"] = self._record["run"]["prunes"]
        if len(thresholds) == 1:
            self.metrics["threshold"] = next(iter(thresholds.values()))
        self.class_metrics = {}
        for name, parameters in members(fairseq_classes(self._masks)).items():
            key = name.replace(" ", "_")
            of_class = {parameter: self._masks[parameter] for parameter in parameters}
            self.class_metrics[f"sparsity_{key}"] = sparsity(of_class)
            if name in thresholds:
                self.class_metrics[f"threshold_{key}"] = thresholds[name]


def _check_reached(schedule, max_update: int, update: int) -> None:
    last = update + schedule[-1].update
    if max_update and last >= max_update:
        raise PruneError(
            f"--max-update {max_update} ends the run before update {last + 1}, where the schedule "
            f"reaches --prune-sparsity; give a larger one, or a shorter schedule"
        )


def _needs_pruned_optimizer(inner) -> str:
    names = [name for name, cls in OPTIMIZER_REGISTRY.items() if cls is type(inner)]
    name = names[0] if names else type(inner).__name__
    if name in UNSUPPORTED:
        return f"pruning with --optimizer {name} is not supported: {UNSUPPORTED[name]}"
    return (
        f"pruning with --optimizer {name}, which would revive pruned weights; "
        f"use --optimizer pruned_{name}"
    )
