"""How many updates an epoch has."""

import math
from typing import Any, List, Mapping, NamedTuple, Optional, Tuple

from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from ...loading.task_of import set_up
from ...pruning import PruneError
from ..training_options import parse_training


class _Batches(NamedTuple):
    """What decides how many there are of them."""

    max_tokens: Optional[int]
    batch_size: Optional[int]
    shards: int
    update_freq: int


def updates_per_epoch(
    words: List[str], checkpoint: str, own: Mapping[str, Any], processes: int
) -> Tuple[int, int]:
    """Of a training with ``words``, DATA and options, as its first epoch has them; and of the
    checkpoint's own training.

    From the data, without a model: where the model reads shorter sentences than the task, there
    may be somewhat fewer.

    Args:
        checkpoint: that it starts from, for what is said of the data.
        own: options of the checkpoint's own training, and ``processes`` that shared it.
    Raises:
        PruneError: the data cannot be read.
    """
    _, args = parse_training(words)
    cfg = convert_namespace_to_omegaconf(args)
    task = set_up(cfg, checkpoint)
    data, optimization = cfg.dataset, cfg.optimization
    shards = 1 if args.cpu else cfg.distributed_training.distributed_world_size
    now = _Batches(data.max_tokens, data.batch_size, shards, optimization.update_freq[0])
    then = _Batches(
        own.get("max_tokens"), own.get("batch_size"), processes, (own.get("update_freq") or [1])[0]
    )

    def count(batches: _Batches) -> int:
        task.dataset_to_epoch_iter = {}  # else the second is the first
        iterator = task.get_batch_iterator(
            dataset=task.dataset(data.train_subset),
            max_tokens=batches.max_tokens,
            max_sentences=batches.batch_size,
            max_positions=task.max_positions(),
            ignore_invalid_inputs=True,
            required_batch_size_multiple=data.required_batch_size_multiple,
            seed=cfg.common.seed,
            num_shards=batches.shards,
            num_workers=0,
            epoch=1,
        )
        each, left_out = batches.update_freq, optimization.skip_remainder_batch
        return len(iterator) // each if left_out else math.ceil(len(iterator) / each)

    try:
        task.load_dataset(data.train_subset, epoch=1, combine=True)
        updates = count(now)
        before = updates if then == now else count(then)
    except (OSError, AssertionError, KeyError, RuntimeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PruneError(f"DATA {args.data} cannot be trained on: {reason}") from error
    if not updates:
        raise PruneError(f"DATA {args.data} has no {data.train_subset} to train on")
    return updates, before
