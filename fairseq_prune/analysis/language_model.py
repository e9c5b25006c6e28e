"""A model's perplexity, and a language model's speed on a text."""

import math
import statistics
import time
from typing import List

import torch
from fairseq.models import BaseFairseqModel
from fairseq.tasks import FairseqTask
from torch import Tensor

from ..fairseq_fixes.text_blocks import check_blocks
from ..loading.evaluation import batches_of
from ..pruning import PruneError

#: Words that are scored without a break: states are zero at the beginning of each such block.
BLOCK = 2048
#: Steps between looks at the clock.
STEPS = 25


def check_subsets(task: FairseqTask, data: str, subsets: List[str]) -> None:
    """Load ``subsets``, or raise PruneError."""
    for subset in subsets:
        try:
            task.load_dataset(subset)
        except OSError as error:
            raise PruneError(f"data {data} has no {subset}") from error


def subset_perplexity(model: BaseFairseqModel, task: FairseqTask, subset: str) -> float:
    """As ``fairseq-eval-lm --tokens-per-sample 2048`` has it, if ``task`` was set up with that.

    Raises:
        PruneError: the model cannot read as much at a time.
    """
    check_blocks(task.dataset(subset), model.max_positions(), f"blocks of {BLOCK} are scored")
    return perplexity(model, batches_of(model, task, subset, max_sentences=2))


def words_of(task: FairseqTask, subset: str) -> Tensor:
    """All of a subset, (N,)."""
    dataset = task.dataset(subset)
    return torch.cat([dataset[k]["source"] for k in range(len(dataset))])


@torch.no_grad()
def words_per_second(model: BaseFairseqModel, words: Tensor, batch: int, seconds: float) -> float:
    """How fast the model reads ``words`` one by one and gives log-probabilities of the next.

    Args:
        words: (N,), read as ``batch`` texts side by side, again from their beginning at the end.
        seconds: to measure for, at least.
    Returns:
        words a second, all texts together: the median over pieces of 25 steps.
    """
    texts = words[: len(words) // batch * batch].view(batch, -1)
    state: dict = {}
    rates: List[float] = []
    end, step = float("inf"), 0
    while time.perf_counter() < end or len(rates) < 3:
        started = time.perf_counter()
        for _ in range(STEPS):
            read = texts[:, step % texts.shape[1]].unsqueeze(1)
            output = model(read, incremental_state=state)
            model.get_normalized_probs(output, log_probs=True)
            step += 1
        if end == float("inf"):  # the first piece warms up
            end = time.perf_counter() + seconds
        else:
            rates.append(STEPS * batch / (time.perf_counter() - started))
    return statistics.median(rates)


@torch.no_grad()
def perplexity(model: BaseFairseqModel, batches: List) -> float:
    """2 to the mean negative log2 likelihood of a target token, as ``fairseq-validate`` has it."""
    total, tokens = 0.0, 0
    for batch in batches:
        log_probs = model.get_normalized_probs(
            model(**batch["net_input"]), log_probs=True, sample=batch
        )
        target = model.get_targets(batch, None)
        log_probs = log_probs.view(-1, log_probs.shape[-1])
        kept = target.reshape(-1) != _padding(model)
        log_likelihoods = log_probs.gather(1, target.reshape(-1, 1)).squeeze(1)
        total -= float(log_likelihoods[kept].sum(dtype=torch.float64))
        tokens += int(kept.sum())
    mean = total / max(1, tokens)
    return math.exp(mean) if mean < 700 else float("inf")


def _padding(model: BaseFairseqModel) -> int:
    dictionary = getattr(model.decoder, "dictionary", None)
    return dictionary.pad() if dictionary is not None else 1
