"""What fails in fairseq 0.12 with pruned models, or with torch and numpy of today, mended.

Each function changes one thing in fairseq for this process, and only what does not work
without it. To import this is to mend.
"""

import functools
import os
import sys
import types

import numpy
import torch
from fairseq import checkpoint_utils, utils
from fairseq.data import ConcatDataset, token_block_dataset
from fairseq.distributed import utils as distributed
from fairseq.optim.amp_optimizer import AMPOptimizer
from fairseq.optim.lr_scheduler.reduce_lr_on_plateau import ReduceLROnPlateauLRSchedule
from fairseq.tasks.translation_from_pretrained_bart import TranslationFromPretrainedBARTTask
from fairseq.trainer import Trainer

from . import plugin  # noqa: F401  (all is registered before)
from .checkpoints.in_fairseq import read_packed_files
from .checkpoints.reading import TAKES_SAFE_TYPES, allow_in_fairseq
from .checkpoints.saving_in_fairseq import save_whole_files
from .checkpoints.sentences import exits
from .checkpoints.stock_names import save_stock_names
from .checkpoints.values import value_of
from .criterions.in_training import load_teachers_first
from .tasks.command_line import check_command_lines
from .tasks.loading import load_with_pruning_in_mind
from .tasks.text_blocks import refuse_long_blocks
from .tasks.whole_sets import evaluate_on_whole_sets


def mend_all() -> None:
    allow_in_fairseq()
    save_whole_files()
    read_packed_files()
    save_stock_names()
    evaluate_on_whole_sets()
    broadcast_checkpoints()
    save_state_under_amp()
    save_plateau_counters()
    start_average_from_any_checkpoint()
    load_with_pruning_in_mind()
    load_teachers_first()
    check_command_lines()
    build_token_blocks()
    evaluate_values_only()
    know_this_package()
    finetune_bart()
    refuse_long_blocks()
    combine_training_sets()


def broadcast_checkpoints() -> None:
    """Let distributed training load checkpoints on torch >= 2.6.

    fairseq sends what the first process has read through ``torch.save`` and
    ``torch.load``, which since torch 2.6 refuses the configuration in it. torch's own
    broadcast does the same among processes of one run. The file is still read as
    ``read_checkpoint`` says.
    """

    def broadcast(obj, src_rank, group, dist_device):
        box = [obj]
        torch.distributed.broadcast_object_list(box, src=src_rank, group=group, device=dist_device)
        return box[0]

    if TAKES_SAFE_TYPES:
        distributed._broadcast_object_slow = broadcast


def save_state_under_amp() -> None:
    """Keep the mask in checkpoints of ``--amp``.

    AMPOptimizer saves and loads the state of the torch optimizer and passes by the fairseq
    optimizer around it, where a pruned one keeps its mask; the fp16 wrappers do not. The
    same as before for optimizers that add nothing to the state.
    """

    def state_dict(self):
        return self.fp32_optimizer.state_dict()

    def load_state_dict(self, state_dict, optimizer_overrides=None):
        self.fp32_optimizer.load_state_dict(state_dict, optimizer_overrides)

    AMPOptimizer.state_dict = state_dict
    AMPOptimizer.load_state_dict = load_state_dict


def save_plateau_counters() -> None:
    """Keep in checkpoints how long ``reduce_lr_on_plateau`` has waited already."""
    counters = ("num_bad_epochs", "cooldown_counter")
    save, load = ReduceLROnPlateauLRSchedule.state_dict, ReduceLROnPlateauLRSchedule.load_state_dict

    def state_dict(self):
        return {**save(self), **{name: getattr(self.lr_scheduler, name) for name in counters}}

    def load_state_dict(self, state_dict):
        load(self, state_dict)
        for name in counters:
            if name in state_dict:
                setattr(self.lr_scheduler, name, state_dict[name])

    ReduceLROnPlateauLRSchedule.state_dict = state_dict
    ReduceLROnPlateauLRSchedule.load_state_dict = load_state_dict


def start_average_from_any_checkpoint() -> None:
    """Let ``--store-ema`` begin with a checkpoint that was trained without.

    fairseq means to start the average from the model, which it has deleted by then.
    """
    load, read = Trainer.load_checkpoint, checkpoint_utils.load_checkpoint_to_cpu

    def read_with_average(*args, **kwargs):
        state = read(*args, **kwargs)
        state["extra_state"].setdefault("ema", dict(state["model"]))
        return state

    def load_checkpoint(self, *args, **kwargs):
        if not self.cfg.ema.store_ema:
            return load(self, *args, **kwargs)
        checkpoint_utils.load_checkpoint_to_cpu = read_with_average
        try:
            return load(self, *args, **kwargs)
        finally:
            checkpoint_utils.load_checkpoint_to_cpu = read

    Trainer.load_checkpoint = load_checkpoint


def build_token_blocks() -> None:
    """Let language models be trained with numpy >= 2.4, which has no ``numpy.compat``."""

    class Numpy(types.ModuleType):
        compat = types.SimpleNamespace(long=int)

        def __getattr__(self, name):
            return getattr(numpy, name)

    if not hasattr(numpy, "compat"):
        token_block_dataset.np = Numpy("numpy")


def evaluate_values_only() -> None:
    """Let the options that fairseq gives to ``eval`` be values, and nothing that runs.

    Files hold such options (``encoder_layers`` of a fconv model, say). In each module of fairseq
    a name of its own stands before Python's.
    """

    def evaluate(text):
        with exits():
            return value_of(text)

    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "fairseq" and module is not None:
            module.eval = evaluate


def know_this_package() -> None:
    """Let ``--user-dir`` name this package where it was imported before.

    fairseq looks for its folder as it wrote it itself, ``.../fairseq/../fairseq_prune``, and
    does not find it among the folders of the package.
    """
    load = utils.import_user_module
    here = os.path.dirname(os.path.realpath(__file__))

    @functools.wraps(load)
    def import_user_module(args):
        named = getattr(args, "user_dir", None)
        if named is None or (named != __package__ and os.path.realpath(named) != here):
            load(args)

    utils.import_user_module = import_user_module


def finetune_bart() -> None:
    """Let ``translation_from_pretrained_bart`` find its options where its base class has them."""
    TranslationFromPretrainedBARTTask.args = property(lambda self: self.cfg)


def combine_training_sets() -> None:
    """Let train, train1, ... be read together without ``--upsample-primary 1``: fairseq takes the
    first one -1 times, its default, and fails.
    """
    make = ConcatDataset.__init__

    @functools.wraps(make)
    def init(self, datasets, sample_ratios=1):
        if not isinstance(sample_ratios, int):
            sample_ratios = [1 if ratio < 0 else ratio for ratio in sample_ratios]
        make(self, datasets, sample_ratios)

    ConcatDataset.__init__ = init


mend_all()
