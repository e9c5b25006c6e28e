"""When a training run prunes, and what it remembers of it in its checkpoints."""

import logging
from typing import Any, Callable, Dict, List, Mapping, Optional

from torch import Tensor

from ..checkpoints.dictionaries import DICTIONARIES_KEY
from ..errors import options_begin_with
from ..fairseq_fixes.best_model import (
    EarlyStopping,
    restart_model_selection,
    suspend_model_selection,
)
from ..optim.placement import innermost, master_view, masters
from ..optim.pruned_optimizer import MOVEMENT, Held
from ..parameters.ties import Aliases, aliases_of
from ..parameters.weight_classes import fairseq_classes, renamed
from ..parameters.weight_norm import check_weight_norm
from ..pruning import (
    Pruned,
    PruneError,
    Schedule,
    Statistic,
    describe,
    due,
    find_score,
    keep_thresholds,
    make_record,
    masks_of,
    prune,
    round_sparsities,
    score_name,
    sparsity,
    summary,
    zero_pruned_,
)
from .agreement import check_agreement, of_the_first
from .asked import floors_of, is_asked
from .mask_metrics import metrics_of
from .optimizer_statistics import in_state
from .run_record import begin, is_continued, is_short, schedule_of
from .target import prunable
from .ways_to_train import check_optimizer

logger = logging.getLogger("fairseq_prune")


#: From an empty statistic and the names of weights to their statistics.
Calibrate = Callable[[Statistic, List[str]], Dict[str, Tensor]]


class Pruner:
    """Prunes one model when its schedule says so, and hands the mask to its optimizer.

    All it knows is in the record that the optimizer saves, so that a run that was
    interrupted prunes as one that was not.
    """

    def __init__(
        self,
        cfg,
        previous: Optional[Dict[str, Any]] = None,
        dictionaries: Optional[Dict[str, str]] = None,
    ):
        """
        Args:
            cfg: config of the task.
            previous: the record of the mask that the run starts with, if any; it is kept where
                ``cfg`` asks for no pruning.
            dictionaries: fingerprints of those of the task.
        """
        self.cfg = cfg
        self._dictionaries = dictionaries
        self._previous = previous
        self._holder = None
        self._record: Dict[str, Any] = {}
        self._masks: Dict[str, Any] = {}
        self._aliases: Aliases = {}
        self._schedule: Schedule = ()
        self._goes_on = False  # whether the masks are of this run
        #: to log with each update, and with each epoch; empty before the first mask
        self.metrics: Dict[str, float] = {}
        self.class_metrics: Dict[str, float] = {}

    @options_begin_with("--prune-")
    def before_update(self, model, optimizer, ema, update: int, calibrate: Calibrate) -> None:
        """Prune if it is due. To be called before the forward pass.

        Args:
            model: not wrapped.
            optimizer: the trainer's, wrapped or not.
            ema: the model of moving averages, or None.
            update: how many updates were done.
            calibrate: what gives the statistics of weights, where a score needs some.
        """
        inner = innermost(optimizer)
        if inner is not self._holder:
            self._holder = inner
            check_optimizer(type(inner))
            self._begin_or_continue(inner, model, optimizer, ema, update)
        if self._schedule:
            run = self._record["run"]
            wanted = due(self._schedule, update - run["start"])
            if wanted is not None and wanted > run["reached"]:
                self._prune(wanted, inner, model, optimizer, ema, calibrate)

    @property
    def is_short(self) -> bool:
        """Whether the model is not at the target sparsity yet."""
        return bool(self._schedule) and is_short(self._record)

    def _begin_or_continue(self, inner, model, optimizer, ema, update) -> None:
        """Continue the run that the checkpoint is of, or begin one."""
        record = inner.prune_record
        if record is not None and not is_continued(self.cfg, record):
            if self.cfg.prune_mask_from is None:
                self._previous = record
            record = None
        begins = record is None
        named, known = dict(model.named_parameters()), self._previous if begins else record
        masks = masks_of(known, named) if known else {}
        if begins:
            record = begin(self.cfg, self._previous, sparsity(masks), update)
        self._aliases = aliases_of(model)
        self._record = {**record, "threshold": renamed(record["threshold"], self._aliases)}
        self._schedule = schedule_of(record) if is_asked(self.cfg) else ()
        self._goes_on = bool(record["run"]["prunes"])
        if begins and len(self._schedule) > 1:
            steps = ", ".join(f"{100 * s:.4g}% at {t}" for t, s in self._schedule)
            logger.info(f"{self.cfg.prune_schedule} schedule (updates from here): {steps}")
        if self._schedule:
            score = score_name(self.cfg.prune_scheme, self.cfg.prune_score)
            inner.sums_movement = find_score(score).state == MOVEMENT
            if inner.sums_movement and hasattr(optimizer, "wrapped_optimizer"):
                raise PruneError(
                    f"--prune-score {score} with memory-efficient half precision would sum "
                    f"gradients of several scales; use --fp16 or --bf16 alone, or another score"
                )
        self._hold(masks, inner, model, optimizer, ema)
        inner.before_saving = self._remember_early_stopping
        if self.is_short:
            suspend_model_selection(self.cfg.maximize_best_checkpoint_metric)
        elif begins:
            restart_model_selection()
        elif "early_stopping" in record:
            EarlyStopping(*record["early_stopping"]).restore()

    def _prune(self, wanted: float, inner, model, optimizer, ema, calibrate: Calibrate) -> None:
        """Choose the mask by the weights the optimizer trains (fp32 masters under fp16)."""
        begun, steps = sparsity(self._masks) if self._masks else 0.0, self.cfg.prune_steps
        for step, x in enumerate(round_sparsities(wanted, steps, initial=begun), start=1):
            last = step == steps
            on_the_way = not last or wanted < self._schedule[-1].sparsity
            result = self._choose(x, on_the_way, inner, model, optimizer, calibrate)
            if last:
                result = keep_thresholds(result, self._record)
                # on the way to the target a line will do
                logger.info(summary(result) if on_the_way else describe(result))
            run = self._record["run"]
            run = {**run, "prunes": run["prunes"] + last, "reached": x}
            self._record = {**make_record(result, x), "run": run}
            self._hold(result.masks, inner, model, optimizer, ema)
        if not self.is_short:
            restart_model_selection()

    def _choose(
        self, wanted: float, on_the_way: bool, inner, model, optimizer, calibrate: Calibrate
    ) -> Pruned:
        """A pruning of the weights as they are; what survives may have been changed for it."""
        named = dict(model.named_parameters())
        placed = masters(optimizer, named)
        # a run goes on with what it has pruned
        chosen = self._masks if self._goes_on else prunable(self.cfg, named, self._aliases)
        weights = {name: master_view(*placed[name], like=named[name]) for name in chosen}
        score = find_score(score_name(self.cfg.prune_scheme, self.cfg.prune_score))
        statistics = in_state(score.state, inner, placed, named, weights)
        if score.statistic is not None:
            statistics = calibrate(score.statistic(), list(weights))
        result = prune(
            weights,
            fairseq_classes(weights, self._aliases),
            self.cfg.prune_scheme,
            wanted,
            self._masks,
            score=self.cfg.prune_score,
            floors=floors_of(self.cfg),
            statistics=statistics,
            on_the_way=on_the_way,
        )
        check_weight_norm(result.masks, named)
        for name in result.updated:
            updated = of_the_first(result.updated[name])
            weights[name].copy_(updated)
            named[name].data.copy_(updated)
        self._goes_on = True
        return result

    def _hold(self, masks: Mapping[str, Tensor], inner, model, optimizer, ema) -> None:
        """Keep ``masks``, those of the record, from here on."""
        self._masks = dict(masks)
        check_agreement(self._record, next(model.parameters()).device)
        if self._dictionaries:
            self._record = {**self._record, DICTIONARIES_KEY: self._dictionaries}
        named = dict(model.named_parameters())
        placed = masters(optimizer, named)
        held = {name: Held.place(*placed[name], mask) for name, mask in masks.items()}
        inner.hold(self._record, list(held.values()))
        copies = dict(ema.named_parameters()) if ema is not None else {}
        for name, (_, _, bits) in held.items():
            zero_pruned_(named[name].data, bits)
            if name in copies:
                zero_pruned_(copies[name].data, bits)
        if masks:  # once for each: counting takes a pass over it
            self.metrics, self.class_metrics = metrics_of(self._record, self._masks, self._aliases)

    def _remember_early_stopping(self) -> None:
        self._record["early_stopping"] = list(EarlyStopping.now())
