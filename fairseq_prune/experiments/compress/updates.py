"""How many updates an epoch has."""

import math
from typing import List

from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from ...checkpoints.task_of import set_up
from ...pruning import PruneError
from ..training_options import parse_training


def updates_per_epoch(words: List[str], checkpoint: str) -> int:
    """Of a training with ``words``, DATA and options, as its first epoch has them.

    From the data, without a model: where the model reads shorter sentences than the task, there
    may be somewhat fewer.

    Args:
        checkpoint: that it starts from, for what is said of the data.
    Raises:
        PruneError: the data cannot be read.
    """
    _, args = parse_training(words)
    cfg = convert_namespace_to_omegaconf(args)
    task = set_up(cfg, checkpoint)
    data, optimization = cfg.dataset, cfg.optimization
    try:
        task.load_dataset(data.train_subset, epoch=1, combine=True)
        batches = task.get_batch_iterator(
            dataset=task.dataset(data.train_subset),
            max_tokens=data.max_tokens,
            max_sentences=data.batch_size,
            max_positions=task.max_positions(),
            ignore_invalid_inputs=True,
            required_batch_size_multiple=data.required_batch_size_multiple,
            seed=cfg.common.seed,
            num_shards=1 if args.cpu else cfg.distributed_training.distributed_world_size,
            num_workers=0,
            epoch=1,
        )
        count = len(batches)
    except (OSError, AssertionError, KeyError, RuntimeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PruneError(f"DATA {args.data} cannot be trained on: {reason}") from error
    each = optimization.update_freq[0]
    updates = count // each if optimization.skip_remainder_batch else math.ceil(count / each)
    if not updates:
        raise PruneError(f"DATA {args.data} has no {data.train_subset} to train on")
    return updates
