"""What a pruning run starts from, checked before fairseq spends time on it."""

import os
import re
from typing import Optional

from fairseq.optim import OPTIMIZER_REGISTRY
from torch import nn

from ..checkpoints.safe_io import read_checkpoint
from ..optim.pruned_optimizer import PrunedOptimizerMixin
from ..pruning import PruneError, check_request


def check_options(cfg) -> None:
    """Raise PruneError unless the ``--prune-*`` options make sense."""
    if cfg.prune_sparsity is None:
        raise PruneError("--prune-scheme needs --prune-sparsity, e.g. --prune-sparsity 0.8")
    check_request(cfg.prune_scheme, cfg.prune_sparsity)
    for flag, pattern in (
        ("--prune-include", cfg.prune_include),
        ("--prune-exclude", cfg.prune_exclude),
    ):
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise PruneError(f"{flag} {pattern!r} is no regular expression: {error}") from error


def starting_checkpoint(cfg) -> Optional[str]:
    """The file fairseq will load (``checkpoint_utils.load_checkpoint``), or None."""
    if cfg.restore_file != "checkpoint_last.pt":
        return cfg.restore_file
    last = os.path.join(cfg.save_dir, cfg.restore_file)
    return last if os.path.exists(last) else cfg.finetune_from_model


def check_start(cfg, model: nn.Module, model_cfg) -> None:
    """Raise PruneError unless the run starts from a checkpoint that fits ``model``."""
    path = starting_checkpoint(cfg)
    if path is None:
        raise PruneError(
            "--prune-scheme prunes a trained model, and this run starts from none; "
            "give --finetune-from-model CHECKPOINT"
        )
    checkpoint = read_checkpoint(path)
    if path != cfg.finetune_from_model and not cfg.reset_optimizer:
        _check_optimizer(path, checkpoint)
    # fairseq renames parameters of older checkpoints while loading; in a copy here
    state = dict(checkpoint["model"])
    model.upgrade_state_dict(state)
    expected = model.state_dict()
    for name in [*expected, *(name for name in state if name not in expected)]:
        if name not in state or name not in expected:
            where, lacks = (path, "the model") if name in state else ("the model", path)
            raise PruneError(
                f"{path} does not fit the model: {name} is in {where} but not in {lacks}; "
                f"give the --arch and the model options it was trained with"
            )
        if state[name].shape != expected[name].shape:
            raise PruneError(
                f"{path} does not fit the model: {name} is {_size(state[name])} there and "
                f"{_size(expected[name])} in the model; give the --arch, the model options and "
                f"the data it was trained with"
            )


def _check_optimizer(path: str, checkpoint) -> None:
    """Refuse to continue a run of an optimizer that does not keep pruned weights at zero."""
    history = checkpoint.get("optimizer_history") or [{}]
    name = history[-1].get("optimizer_name")
    stock = [cls for cls in OPTIMIZER_REGISTRY.values() if cls.__name__ == name]
    if stock and not issubclass(stock[0], PrunedOptimizerMixin):
        raise PruneError(
            f"{path}, which this run would continue, was trained with the optimizer {name}; "
            f"give another --save-dir and --finetune-from-model {path}"
        )


def _size(tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
