"""Blocks of text that are longer than what a language model reads at a time.

``fairseq-eval-lm`` cuts a text into blocks of ``--tokens-per-sample``, 1024 if that is not given,
and leaves out those that are too long for the model: of a transformer trained with fewer, all
but the rest at the end, or all, and then it reports a perplexity of 1.
"""

import functools

from fairseq.data import FairseqDataset
from fairseq.tasks.language_modeling import LanguageModelingTask

from ..checkpoints.sentences import exits
from ..pruning import PruneError


def check_blocks(dataset: FairseqDataset, longest: int, remedy: str, context: int = 0) -> None:
    """Raise PruneError if the model, which reads ``longest`` tokens at a time, would miss some."""
    if max(dataset.sizes, default=0) + context > longest:
        raise PruneError(f"this model reads at most {longest} tokens at a time; {remedy}")


def refuse_long_blocks() -> None:
    """Let ``fairseq-eval-lm`` say so instead of leaving blocks out."""
    load = LanguageModelingTask.eval_lm_dataloader

    @functools.wraps(load)
    def load_if_short(self, dataset, *args, max_positions=None, context_window=0, **kwargs):
        limits = dict(max_positions=max_positions, context_window=context_window)
        asked = self.args.tokens_per_sample + context_window
        # what is as long as it is for another reason, such as lines of their own, is left out
        by_line = self.args.sample_break_mode == "eos"
        if max_positions is not None and asked > max_positions and not by_line:
            remedy = f"give --tokens-per-sample {max_positions}"
            with exits():
                check_blocks(dataset, max_positions, remedy, context_window)
        return load(self, dataset, *args, **limits, **kwargs)

    LanguageModelingTask.eval_lm_dataloader = load_if_short
