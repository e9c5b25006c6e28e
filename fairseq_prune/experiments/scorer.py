"""Scores of a checkpoint, as it is and pruned, without writing pruned ones."""

from contextlib import contextmanager
from typing import Any, Callable, Dict, List

import torch

from ..analysis.bleu import bleu
from ..analysis.generate_options import generate_config
from ..analysis.language_model import perplexity
from ..analysis.translate import translate
from ..checkpoints.reading import read_checkpoint
from ..checkpoints.weights import find_record
from ..fairseq_fixes.reading import held
from ..loading.evaluation import batches_of, criterion_of, load_model
from ..parameters.kinds import is_parameter
from ..parameters.ties import aliases_of
from ..parameters.weight_classes import fairseq_prunable
from ..parameters.weight_norm import check_weight_norm
from ..pruning import PruneError, masks_of
from ..tasks.prune_model import prune_model
from .grid import Grid
from .points import KINDS, Point
from .summary import storage

Scores = Dict[str, Any]


class Scorer:
    """A checkpoint and the data it is scored on."""

    def __init__(self, checkpoint: str, grid: Grid, cpu: bool = False):
        """
        Args:
            cpu: whether to stay on the CPU where there is a GPU.
        Raises:
            PruneError: the checkpoint, the data or the references cannot be used.
        """
        plan = grid.evaluate
        translates = plan["generate"] is not None
        record = find_record(read_checkpoint(checkpoint))
        subsets = [plan["valid"], plan["test"]] if translates else [plan["valid"]]
        self.model, self._task = load_model(checkpoint, grid.data, list(dict.fromkeys(subsets)))
        if torch.cuda.is_available() and not cpu:
            self.model.cuda()
        self._named = {name: weight.data for name, weight in self.model.named_parameters()}
        self._aliases = aliases_of(self.model)
        self._weights = fairseq_prunable(self._named, grid.include, grid.exclude, self._aliases)
        self._masks = masks_of(record, self._named) if record and record["masks"] else {}
        self._batches = batches_of(self.model, self._task, plan["valid"])
        self._calibration = grid.calibration
        self._checkpoint, self._data, self._plan, self._cpu = checkpoint, grid.data, plan, cpu

    def score(self, kind: str, stop: Callable[[], bool] = lambda: False) -> Scores:
        """Scores of the checkpoint as it is.

        Raises:
            Stopped: ``stop`` said so meanwhile.
        """
        return self._score(self._masks, kind, stop)

    def pruned_perplexity(self, point: Point) -> float:
        """Perplexity right after pruning, before anything is retrained."""
        with self._pruned(point):
            return perplexity(self.model, self._batches)

    def score_pruned(self, point: Point, stop: Callable[[], bool] = lambda: False) -> Scores:
        """Scores of the checkpoint pruned as ``point`` says; it is as before afterwards.

        Raises:
            Stopped: ``stop`` said so meanwhile.
        """
        with self._pruned(point) as masks:
            return self._score(masks, point.kind, stop)

    @contextmanager
    def _pruned(self, point: Point):
        saved = {name: weight.clone() for name, weight in self._weights.items()}
        choice = point.choice(self._calibration)
        criterion = criterion_of(self._checkpoint, self._task) if choice.needs_data else None
        try:
            result = prune_model(
                self.model, self._task, criterion, self._weights, choice, point.sparsity,
                self._masks or None, state=lambda: read_checkpoint(self._checkpoint),
            )  # fmt: skip
            check_weight_norm(result.masks, self._named)
            yield result.masks
        finally:
            for name, weight in saved.items():
                self._weights[name].copy_(weight)

    def _score(self, masks: Dict[str, torch.Tensor], kind: str, stop) -> Scores:
        weights = sum(weight.numel() for weight in self._weights.values())
        kept = sum(
            int(masks[n].sum()) if n in masks else w.numel() for n, w in self._weights.items()
        )
        scores: Scores = {
            "weights": weights,
            "kept": kept,
            "bytes": storage((w for n, w in self._named.items() if is_parameter(n, w)), masks),
            "perplexity": perplexity(self.model, self._batches),
            "bleu": None,
            "signature": None,
            "left_out": 0,
        }
        if self._plan["generate"] is not None and kind in self._plan.get("translate", KINDS):
            scores.update(self._bleu(stop))
        return scores

    def _bleu(self, stop) -> Scores:
        """Of the model as it is now, decoded as if it had been read from a file."""
        plan = self._plan
        more = ["--gen-subset", plan["test"], *(["--cpu"] if self._cpu else [])]
        references = read_references(plan["references"]) if plan["references"] else None
        with held({**read_checkpoint(self._checkpoint), "model": self.model.state_dict()}) as path:
            cfg = generate_config(path, self._data, plan["generate"], more)
            translations = translate(cfg, stop=stop)
        score, signature = bleu(translations, cfg.scoring, references)
        return {"bleu": score, "signature": signature, "left_out": translations.left_out}


def read_references(path: str) -> List[str]:
    """The lines of ``path``."""
    try:
        # lines end where they do for sacrebleu, not at every character that Unicode breaks at
        with open(path, encoding="utf-8", newline="\n") as f:
            return [line.rstrip("\r\n") for line in f]
    except (OSError, UnicodeDecodeError) as error:
        raise PruneError(f"evaluate: references: {path} cannot be read: {error}") from error
