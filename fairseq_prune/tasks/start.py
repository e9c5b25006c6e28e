"""What a pruning run starts from, checked before fairseq spends time on it."""

import os
import re
from typing import Optional

from torch import nn

from ..checkpoints.safe_io import read_checkpoint
from ..checkpoints.weights import find_record
from ..models.weight_classes import is_copy
from ..pruning import PruneError, check_request


def check_options(cfg) -> None:
    """Raise PruneError unless the ``--prune-*`` options make sense."""
    if cfg.prune_sparsity is None:
        raise PruneError("--prune-scheme needs --prune-sparsity, e.g. --prune-sparsity 0.8")
    check_request(cfg.prune_scheme, cfg.prune_sparsity)
    if cfg.ema_fp32:
        raise PruneError(
            "--ema-fp32 with --prune-scheme would revive pruned weights in the average; "
            "leave it out (--store-ema alone works)"
        )
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


def check_start(cfg, model: nn.Module) -> None:
    """Raise PruneError unless the run starts from a checkpoint that fits ``model``."""
    path = starting_checkpoint(cfg)
    if path is None:
        raise PruneError(
            "--prune-scheme prunes a trained model, and this run starts from none; "
            "give --finetune-from-model CHECKPOINT"
        )
    checkpoint = read_checkpoint(path)
    own = os.path.join(cfg.save_dir, "checkpoint_last.pt")
    if path == own and find_record(checkpoint) is None:
        # its dense checkpoint_best.pt would stand there as if it were pruned
        raise PruneError(
            f"--save-dir {cfg.save_dir} holds a dense run, which this run would continue; give "
            f"another --save-dir, and --finetune-from-model with the checkpoint to start from"
        )
    # fairseq renames parameters of older checkpoints while loading; in a copy here
    state = dict(checkpoint["model"])
    model.upgrade_state_dict(state)
    expected = model.state_dict()
    for name in [*expected, *(name for name in state if name not in expected)]:
        if is_copy(name):  # fairseq makes it while loading, if it needs it
            continue
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


def _size(tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
