"""What a pruning run starts from, checked before fairseq spends time on it."""

import os
import re
from typing import Any, Dict, Optional

from fairseq.tasks import FairseqTask
from torch import nn

from ..checkpoints.dictionaries import check_dictionaries, find_dictionaries
from ..checkpoints.reading import read_checkpoint
from ..checkpoints.weights import find_record
from ..models.parameters import is_copy
from ..pruning import PruneError, check_request, check_schedule, find_scheme, masks_of
from .options import OPTIONS, schedule_options

#: Ways to train that would not keep pruned weights at zero: option -> what it may be set to.
CANNOT = {
    "ema_fp32": (
        (False,),
        "would revive pruned weights in the average; leave it out (--store-ema alone works)",
    ),
    "ddp_backend": (
        ("c10d", "pytorch_ddp", "no_c10d", "legacy_ddp"),
        "is not supported: each process must hold the whole model and take plain steps; use "
        "pytorch_ddp or legacy_ddp",
    ),
    "zero_sharding": (
        ("none",),
        "is not supported: each process must hold the whole optimizer state; leave it out",
    ),
    "use_bmuf": ((False,), "is not supported: its block momentum revives pruned weights"),
    "no_save_optimizer_state": (
        (False,),
        "would leave the mask out of the checkpoints, which hold it there; leave it out (fairseq-"
        "prune average, of one checkpoint, drops the state and keeps the mask)",
    ),
    "write_checkpoints_asynchronously": (
        (False,),
        "is not supported: fairseq then leaves out copies of checkpoints; leave it out",
    ),
    "update_ordered_indices_seed": (
        (False,),
        "is not supported: a resumed run would see other batches; leave it out",
    ),
    "ema_update_freq": (
        (1,),
        "is not supported: fairseq does not save where it is in between; leave it out",
    ),
    "pipeline_model_parallel": (
        (False,),
        "is not supported: weights would be ranked in each part by itself; leave it out",
    ),
    "model_parallel_size": (
        (1,),
        "is not supported: weights would be ranked in each part by itself; leave it out",
    ),
    "quantization_config_path": (
        (None,),
        "is not supported: its centroids would move pruned weights off zero; quantize afterwards",
    ),
}


def check_options(cfg) -> None:
    """Raise PruneError unless the ``--prune-*`` options make sense."""
    if cfg.prune_mask_from is not None:
        for name, _, default, _ in OPTIONS:
            if name != "prune_mask_from" and getattr(cfg, name) != default:
                raise PruneError(
                    f"{_flag(name)} has no meaning with --prune-mask-from, which takes a mask as "
                    f"it is; leave out one of them"
                )
    else:
        _check_request(cfg)


def check_possible(cfg) -> None:
    """Raise PruneError where the run trains in a way that pruning cannot work with."""
    for name, (allowed, why) in CANNOT.items():
        value = getattr(cfg, name)
        if value not in allowed:
            shown = "" if value is True else f" {value}"
            raise PruneError(f"{_flag(name)}{shown} with pruning {why}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _check_request(cfg) -> None:
    only = find_scheme(cfg.prune_scheme).sparsity
    if cfg.prune_sparsity is None:
        raise PruneError(
            f"--prune-scheme needs --prune-sparsity, e.g. --prune-sparsity {only or 0.8}"
        )
    check_request(cfg.prune_scheme, cfg.prune_sparsity)
    check_schedule(cfg.prune_schedule, schedule_options(cfg))
    if only is not None and cfg.prune_schedule != "one-shot":
        raise PruneError(
            f"--prune-schedule {cfg.prune_schedule} prunes to other sparsities on the way, and "
            f"--prune-scheme {cfg.prune_scheme} has one; use --prune-schedule one-shot"
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
    suffix = cfg.checkpoint_suffix or ""
    if cfg.restore_file != "checkpoint_last.pt":
        return cfg.restore_file.replace(".pt", f"{suffix}.pt")
    last = os.path.join(cfg.save_dir, f"checkpoint_last{suffix}.pt")
    if os.path.exists(last):
        return last
    return cfg.continue_once or cfg.finetune_from_model


def continues_itself(cfg) -> bool:
    """Whether the run goes on from a checkpoint in its own --save-dir."""
    path = starting_checkpoint(cfg)
    return path is not None and os.path.realpath(os.path.dirname(path)) == os.path.realpath(
        cfg.save_dir
    )


def check_start(cfg, model: nn.Module, task: FairseqTask) -> Optional[Dict[str, Any]]:
    """The mask the run starts with, as a record: of --prune-mask-from, or of the checkpoint.

    Raises:
        PruneError: the run starts from no checkpoint, or from one that does not fit ``model``;
            the mask is of a model with other dictionaries than those of ``task``.
    """
    path = starting_checkpoint(cfg)
    record = None
    if path is not None:
        record = _check_checkpoint(cfg, model, path)
    elif cfg.prune_mask_from is None:
        raise PruneError(
            "--prune-scheme prunes a trained model, and this run starts from none; "
            "give --finetune-from-model CHECKPOINT"
        )
    if cfg.prune_mask_from is not None and not (path and continues_itself(cfg)):
        record = _mask_from(cfg.prune_mask_from, model, task)
    return record


def _mask_from(path: str, model: nn.Module, task: FairseqTask) -> Dict[str, Any]:
    state = read_checkpoint(path)
    record = find_record(state)
    if record is None or not record["masks"]:
        raise PruneError(
            f"--prune-mask-from {path}: the checkpoint has no mask; name one that was pruned"
        )
    try:
        masks_of(record, dict(model.named_parameters()))
    except PruneError as error:
        raise PruneError(
            f"--prune-mask-from {path}: {error}; give the --arch and the model options it was "
            f"trained with"
        ) from error
    check_dictionaries(path, find_dictionaries(state), task)
    return record


def _check_checkpoint(cfg, model: nn.Module, path: str) -> Optional[Dict[str, Any]]:
    checkpoint = read_checkpoint(path)
    record = find_record(checkpoint)
    if continues_itself(cfg) and record is None:
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
    return record


def _size(tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
