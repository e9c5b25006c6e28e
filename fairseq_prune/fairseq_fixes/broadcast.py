"""Checkpoints sent to all processes of a run, on torch >= 2.6."""

import torch
from fairseq.distributed import utils as distributed

from ..checkpoints.reading import TAKES_SAFE_TYPES


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
