"""What fails in fairseq 0.12 with pruned models, or with torch and numpy of today, mended.

Each function changes one thing in fairseq for this process, and only what does not work
without it.
"""

import types

import numpy
import torch
from fairseq.data import token_block_dataset
from fairseq.distributed import utils as distributed
from fairseq.optim.amp_optimizer import AMPOptimizer

from .checkpoints.safe_io import TAKES_SAFE_TYPES, allow_in_fairseq


def mend_all() -> None:
    allow_in_fairseq()
    broadcast_checkpoints()
    save_state_under_amp()
    build_token_blocks()


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


def build_token_blocks() -> None:
    """Let language models be trained with numpy >= 2.4, which has no ``numpy.compat``."""

    class Numpy(types.ModuleType):
        compat = types.SimpleNamespace(long=int)

        def __getattr__(self, name):
            return getattr(numpy, name)

    if not hasattr(numpy, "compat"):
        token_block_dataset.np = Numpy("numpy")
