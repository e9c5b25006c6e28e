"""Handing the checkpoint that one process has read to the others of its run."""

import torch
from fairseq.distributed import utils as distributed

from .safe_io import TAKES_SAFE_TYPES


def allow_broadcast() -> None:
    """Let fairseq's distributed training load checkpoints on torch >= 2.6.

    fairseq 0.12 sends what the first process has read through ``torch.save`` and
    ``torch.load``, which refuses the configuration in it since torch 2.6. torch's own
    broadcast does the same among processes of one run. The file is still read as
    ``read_checkpoint`` says.
    """
    if TAKES_SAFE_TYPES:
        distributed._broadcast_object_slow = _broadcast


def _broadcast(obj, src_rank, group, dist_device):
    box = [obj]
    torch.distributed.broadcast_object_list(box, src=src_rank, group=group, device=dist_device)
    return box[0]
