"""Perplexity of a model on a data set, in this process."""

import math
from typing import List, Tuple

import torch
from fairseq import checkpoint_utils, utils
from torch import nn

from ..pruning import PruneError


def load_for_evaluation(checkpoint: str, data: str, subset: str) -> Tuple[nn.Module, List]:
    """The model of ``checkpoint`` and the batches of ``subset`` in folder ``data``.

    Raises:
        PruneError: the data cannot be read as what the model was trained on.
    """
    try:
        models, _, task = checkpoint_utils.load_model_ensemble_and_task(
            [checkpoint], arg_overrides={"data": data}
        )
        task.load_dataset(subset)
    except (OSError, RuntimeError, AssertionError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise PruneError(f"DATA {data} cannot be used with {checkpoint}: {reason}") from error
    model = models[0].eval()
    batches = task.get_batch_iterator(
        dataset=task.dataset(subset),
        max_tokens=4000,
        max_positions=utils.resolve_max_positions(task.max_positions(), model.max_positions()),
        ignore_invalid_inputs=True,
        required_batch_size_multiple=1,
    ).next_epoch_itr(shuffle=False)
    return model, [batch for batch in batches if batch]


@torch.no_grad()
def perplexity(model: nn.Module, batches: List) -> float:
    """2 to the mean negative log2 likelihood of a target token, as ``fairseq-validate`` has it."""
    total, tokens = 0.0, 0
    for batch in batches:
        log_probs = model.get_normalized_probs(
            model(**batch["net_input"]), log_probs=True, sample=batch
        )
        target = model.get_targets(batch, None)
        log_probs = log_probs.view(-1, log_probs.shape[-1])
        kept = target.reshape(-1) != _padding(model)
        found = log_probs.gather(1, target.reshape(-1, 1)).squeeze(1)
        total -= float(found[kept].sum(dtype=torch.float64))
        tokens += int(kept.sum())
    mean = total / max(1, tokens)
    return math.exp(mean) if mean < 700 else float("inf")


def _padding(model: nn.Module) -> int:
    dictionary = getattr(model.decoder, "dictionary", None)
    return dictionary.pad() if dictionary is not None else 1
