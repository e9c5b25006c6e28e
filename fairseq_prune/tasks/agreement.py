"""All processes of a distributed run hold the same mask, or none goes on."""

import hashlib
from typing import Any, Mapping

import torch
from fairseq.distributed import utils as distributed

from ..pruning import PruneError


def digest(record: Mapping[str, Any]) -> int:
    """A number below 2**62 that differs where the masks of a ``record`` do."""
    sha = hashlib.sha256()
    for name, packed in record["masks"].items():
        sha.update(f"{name} {tuple(record['shapes'][name])} ".encode())
        sha.update(packed.cpu().numpy().tobytes())
    return int.from_bytes(sha.digest()[:8], "big") >> 2


def check_agreement(record: Mapping[str, Any], device: torch.device) -> None:
    """Raise PruneError, in every process, unless the records of all have the same masks.

    Args:
        record: of this process; there may be no masks in it.
        device: where the processes exchange what they have.
    """
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return
    group = distributed.get_data_parallel_group()
    if distributed.get_world_size(group) == 1:
        return
    own = digest(record)
    extremes = torch.tensor([own, -own], device=device)
    distributed.all_reduce(extremes, group, op="max")
    if int(extremes[0]) != -int(extremes[1]):
        raise PruneError(
            "the processes of this run chose different masks, so their models differ; start "
            "them all with the same code, options and checkpoint"
        )
