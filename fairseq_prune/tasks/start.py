"""What a training run starts from, looked at before fairseq spends time on it."""

import logging
import os
from typing import Any, Dict, NamedTuple, Optional

from fairseq.file_io import PathManager
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask
from torch import nn

from ..checkpoints.dictionaries import check_dictionaries, find_dictionaries, fingerprints
from ..checkpoints.reading import read_checkpoint
from ..checkpoints.weights import find_record
from ..parameters.kinds import is_copy
from ..pruning import PruneError, check_record, masks_of, sparsity
from .asked import is_asked
from .options import DENSE
from .request import check_options
from .ways_to_train import check_optimizer, check_possible, optimizer_class

logger = logging.getLogger("fairseq_prune")


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


class Start(NamedTuple):
    """A run that prunes or trains under a mask, and the checkpoint that it starts from."""

    cfg: Any
    path: Optional[str]
    checkpoint: Optional[Dict[str, Any]]

    def check(self, model: BaseFairseqModel, task: FairseqTask) -> Optional[Dict[str, Any]]:
        """The mask the run starts with, as a record: of --prune-mask-from, or of the checkpoint.

        Raises:
            PruneError: checkpoint or mask do not fit ``model``; the mask is of a model with other
                dictionaries than those of ``task``.
        """
        record = None
        if self.path is not None and self.checkpoint is not None:
            _check_fit(self.path, self.checkpoint, model)
            record = find_record(self.checkpoint)
        taken = self.cfg.prune_mask_from
        if taken is not None and not continues_itself(self.cfg):
            record = _mask_from(taken, model, task)
        elif self.path is not None and record is not None:
            _check_masks(model, record, self.path)
            if not is_asked(self.cfg):
                pruned = sparsity(masks_of(record, dict(model.named_parameters())))
                logger.info(
                    f"{self.path} is pruned to {100 * pruned:.4g}%, and its mask is kept; "
                    f"--prune-scheme {DENSE} trains a dense model"
                )
        return record


def find_start(cfg) -> Optional[Start]:
    """Where a run starts that prunes or keeps the mask of a pruned checkpoint; else None.

    Raises:
        PruneError: the options make no sense together; there is nothing trained to prune; or
            the run would not keep pruned weights at zero.
    """
    check_options(cfg)
    if cfg.prune_scheme == DENSE:
        return None
    path = starting_checkpoint(cfg)
    if is_asked(cfg):
        return _start_of_pruning(cfg, path)
    # what is not there, fairseq takes for a new run, but for a model to finetune
    if path is None or (path != cfg.finetune_from_model and not PathManager.isfile(path)):
        return None
    checkpoint = _read(path)
    record = find_record(checkpoint)
    if not record or not record["masks"]:
        return None
    try:
        check_possible(cfg)
        check_optimizer(optimizer_class(cfg))
    except PruneError as error:
        raise PruneError(
            f"{path} is pruned, and stays so unless --prune-scheme {DENSE} is given; {error}"
        ) from error
    return Start(cfg, path, checkpoint)


def _start_of_pruning(cfg, path: Optional[str]) -> Start:
    check_possible(cfg)
    check_optimizer(optimizer_class(cfg))
    if path is None:
        if cfg.prune_mask_from is None:
            raise PruneError(
                "--prune-scheme prunes a trained model, and this run starts from none; "
                "give --finetune-from-model CHECKPOINT"
            )
        return Start(cfg, None, None)
    checkpoint = _read(path)
    if continues_itself(cfg):
        if find_record(checkpoint) is None:
            # its dense checkpoint_best.pt would stand there as if it were pruned
            raise PruneError(
                f"--save-dir {cfg.save_dir} holds a dense run, which this run would continue; "
                f"give another --save-dir, and --finetune-from-model with the checkpoint to "
                f"start from"
            )
    elif path != cfg.finetune_from_model:
        _check_length(cfg, path, checkpoint)
    return Start(cfg, path, checkpoint)


def _read(path: str) -> Dict[str, Any]:
    return read_checkpoint(PathManager.get_local_path(path))


def _check_length(cfg, path: str, checkpoint: Dict[str, Any]) -> None:
    """fairseq goes on in the epoch of a restored file, and past the last one does nothing."""
    iterator = (checkpoint.get("extra_state") or {}).get("train_iterator") or {}
    epoch = iterator.get("epoch", 1)
    if cfg.max_epoch and epoch > cfg.max_epoch and not cfg.reset_dataloader:
        raise PruneError(
            f"--max-epoch {cfg.max_epoch} ends the run before its first update: {path} goes on in "
            f"epoch {epoch}; give a larger one, or start anew with --finetune-from-model {path}"
        )


def _mask_from(path: str, model: nn.Module, task: FairseqTask) -> Dict[str, Any]:
    state = _read(path)
    record = find_record(state)
    if record is None or not record["masks"]:
        raise PruneError(
            f"--prune-mask-from {path}: the checkpoint has no mask; name one that was pruned"
        )
    _check_masks(model, record, f"--prune-mask-from {path}")
    check_dictionaries(path, find_dictionaries(state), fingerprints(task))
    return record


def _check_masks(model: nn.Module, record: Dict[str, Any], where: str) -> None:
    try:
        check_record(record, dict(model.named_parameters()))
    except PruneError as error:
        raise PruneError(
            f"{where}: {error}; give the --arch and the model options it was trained with"
        ) from error


def _check_fit(path: str, checkpoint: Dict[str, Any], model: BaseFairseqModel) -> None:
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
