"""Statistics of a distributed run: sums over its processes."""

from typing import Mapping, Optional, Tuple

import torch
from fairseq.distributed import utils as distributed
from torch import Tensor

from ..pruning import PruneError, Statistic


def place() -> Tuple[int, int]:
    """Which of how many processes of a distributed run this is."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return 0, 1
    group = distributed.get_data_parallel_group()
    return distributed.get_rank(group), distributed.get_world_size(group)


def sum_over_processes(
    statistic: Statistic, chosen: Mapping[str, Tensor], failed: Optional[Exception]
) -> None:
    """Make the sums and the number of batches those of all processes; fail where one did.

    Args:
        statistic: settled, unless that failed.
    """
    if failed is not None and place()[1] == 1:
        raise failed
    if place()[1] == 1 or not chosen:
        return
    group = distributed.get_data_parallel_group()
    device = next(iter(chosen.values())).device
    names = list(chosen)
    own = [failed is not None, statistic.batches, *(name in statistic.sums for name in names)]
    numbers = torch.tensor(own, dtype=torch.float64, device=device)
    failures, batches, *counts = distributed.all_reduce(numbers, group).tolist()
    if failures:
        raise failed or PruneError("another process of this run could not calibrate; see there")
    statistic.batches = int(batches)
    for name, processes in zip(names, counts):
        if processes:
            # a weight may have a gradient in the batches of some processes only
            if name not in statistic.sums:
                statistic.sums[name] = statistic.zeros(chosen[name])
            statistic.sums[name] = distributed.all_reduce(statistic.sums[name], group)
