"""Perplexity of a model, in this process."""

import math
from typing import List

import torch
from torch import nn


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
