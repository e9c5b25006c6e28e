"""One network with one seed: trained, pruned to each sparsity, and retrained."""

import copy
from typing import Any, Dict, NamedTuple, Optional, Tuple

import data
import torch
from cells import CLASS_RULES, Reader, blocks
from torch import nn
from train import evaluate, train

from fairseq_prune.pruning import Pruned, apply_, classify, find_prunable, prune


class Task(NamedTuple):
    """What to train and prune. Sparsities ascend."""

    cell: str
    layers: int
    seed: int
    epochs: int
    retrain_epochs: int
    batch: int
    sparsities: Tuple[float, ...]  # pruned to, not retrained
    retrain_sparsities: Tuple[float, ...]  # pruned to and retrained; 0: trained on
    scheme: str = "class-blind"
    schedule: str = "iterative"
    mnist: Optional[str] = None


def run(task: Task) -> Dict[str, Any]:
    """Train, prune and retrain; the numbers of it, for JSON.

    Raises:
        PruneError: what ``prune`` refuses, e.g. a network that has diverged.
        UserError, ImportError: the images cannot be read (``data.load``).
    """
    split = data.load(task.mnist, task.seed)
    torch.manual_seed(task.seed)
    dense = Reader(task.cell, task.layers, split.train.images.shape[2])
    epoch = train(dense, split, task.epochs, task.batch, task.seed)
    points = []
    for sparsity in task.sparsities:
        model = copy.deepcopy(dense)
        pruned = prune_(model, task.scheme, sparsity)
        points.append(_point(task, split, "pruned", sparsity, model, pruned))
    model, masks = dense, None
    for sparsity in task.retrain_sparsities:
        if sparsity == 0 or task.schedule == "one-shot":
            model, masks = dense, None
        model = copy.deepcopy(model)
        pruned = prune_(model, task.scheme, sparsity, masks)
        epochs = retrain_epochs(task, sparsity)
        kept = train(model, split, epochs, task.batch, task.seed, pruned.masks)
        points.append(_point(task, split, "retrained", sparsity, model, pruned, kept))
        model, masks = (dense, None) if sparsity == 0 else (model, pruned.masks)
    return {
        "cell": task.cell,
        "layers": task.layers,
        "seed": task.seed,
        "images": {name: len(part.labels) for name, part in zip(split._fields, split)},
        "epoch": epoch,
        "dense": _scores(split, dense),
        "points": points,
    }


def prune_(model: nn.Module, scheme: str, sparsity: float, previous=None) -> Pruned:
    """Prune ``model`` in place; what the masks ``previous`` have pruned stays pruned."""
    weights = find_prunable(dict(model.named_parameters()))
    result = prune(weights, classify(weights, CLASS_RULES), scheme, sparsity, previous)
    for name, weight in weights.items():
        apply_(weight, result.masks[name])
    return result


def retrain_epochs(task: Task, sparsity: float) -> int:
    """How many epochs the model of ``sparsity`` is retrained. One that is not pruned is trained on
    as long as the most pruned one in all its rounds, to set beside it."""
    rounds = sum(x > 0 for x in task.retrain_sparsities)
    whole = sparsity == 0 and task.schedule == "iterative"
    return task.retrain_epochs * (max(1, rounds) if whole else 1)


def _scores(split: data.Split, model: nn.Module) -> Dict[str, float]:
    """Accuracy, a fraction, by part; not of the images it was trained on."""
    return {
        name: evaluate(model, part)[0] / len(part.labels)
        for name, part in (("validation", split.validation), ("test", split.test))
    }


def _point(
    task: Task,
    split: data.Split,
    way: str,
    sparsity: float,
    model: nn.Module,
    pruned: Pruned,
    epoch: Optional[int] = None,
) -> Dict[str, Any]:
    parts = blocks(task.cell, pruned.masks)
    return {
        "way": way,
        "sparsity": sparsity,
        "weights": pruned.weights,
        "pruned": pruned.pruned,
        "threshold": pruned.threshold,
        "epoch": epoch,
        **_scores(split, model),
        "classes": {c.name: {"weights": c.weights, "pruned": c.pruned} for c in pruned.classes},
        "blocks": [
            {**block._asdict(), "weights": mask.numel(), "pruned": int((~mask).sum())}
            for block, mask in parts.items()
        ],
    }
