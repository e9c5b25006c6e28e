"""All processes of a distributed run hold the same mask and the same weights under it."""

import hashlib
from typing import Any, Mapping

import torch
from fairseq.distributed import utils as distributed
from torch import Tensor

from ..pruning import PruneError
from .sums import place


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
    if place()[1] == 1:
        return
    group = distributed.get_data_parallel_group()
    own = digest(record)
    extremes = torch.tensor([own, -own], device=device)
    distributed.all_reduce(extremes, group, op="max")
    if int(extremes[0]) != -int(extremes[1]):
        raise PruneError(
            "the processes of this run chose different masks, so their models differ; start "
            "them all with the same code, options and checkpoint"
        )


def of_the_first(values: Tensor) -> Tensor:
    """``values`` as the first process has them: what one GPU solves, another need not to the bit,
    and nothing brings weights together again that have once parted."""
    rank, processes = place()
    if processes == 1:
        return values
    values = values if rank == 0 else torch.zeros_like(values)
    return distributed.all_reduce(values.contiguous(), distributed.get_data_parallel_group())
