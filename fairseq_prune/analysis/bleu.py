"""BLEU of a model, in this process: what ``fairseq-generate`` and sacrebleu would say."""

from typing import Any, Callable, List, Optional, Tuple

import sacrebleu
import torch
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.tasks import FairseqTask
from torch import nn

from ..pruning import PruneError
from .loading import batches_of

#: Options of fairseq-generate that this would not do as it does.
NOT_TAKEN = (
    "--replace-unk", "--sampling", "--prefix-size", "--constraints", "--lm-path", "--fp16",
    "--model-overrides", "--gen-subset", "--score-reference", "--retain-dropout",
)  # fmt: skip


class Translator:
    """Beam search over one subset, with the options of ``fairseq-generate``."""

    def __init__(self, model: nn.Module, task: FairseqTask, subset: str, words: List[str]):
        """
        Args:
            words: options of fairseq-generate, e.g. ["--beam", "5", "--remove-bpe"].
        Raises:
            PruneError: an option is unknown, or is not one for this.
        """
        self.model, self.task, self.subset = model, task, subset
        self.scores: List[float] = []
        cfg = generation_config(words)
        size = cfg.dataset.batch_size
        tokens = cfg.dataset.max_tokens or (None if size else 4000)
        self._batches = batches_of(model, task, subset, tokens, size)
        self._generator = task.build_generator([model], cfg.generation)
        self._post_process = cfg.common_eval.post_process
        try:
            decoders = task.build_bpe(cfg.bpe), task.build_tokenizer(cfg.tokenizer)
        except (OSError, ImportError, ValueError) as error:
            raise PruneError(f"generate: {' '.join(words)}: {error}") from error
        self._decoders = [decoder for decoder in decoders if decoder]
        # as fairseq_cli.generate: what stands at the end or was only asked for, not said
        kept_out = getattr(self._generator, "symbols_to_strip_from_output", None)
        self._strip = kept_out or {self._generator.eos}

    def references(self) -> List[str]:
        """The targets of the subset, in its order."""
        targets = {}
        for batch in self._batches:
            for index, target in zip(batch["id"].tolist(), batch["target"].cpu()):
                targets[index] = self._text(target, escape_unk=True)
        return self._ordered(targets)

    @torch.no_grad()
    def translate(self, stop: Callable[[], bool] = lambda: False) -> Optional[List[str]]:
        """The best translation of each sentence, in the order of the subset.

        ``scores`` then has the score of each (log-probability over length, fairseq's H lines).

        Args:
            stop: asked before each batch; None is returned once it says so.
        """
        found, scores = {}, {}
        for batch in self._batches:
            if stop():
                return None
            for index, best in self._best(batch):
                found[index] = self._text(best["tokens"].int().cpu())
                scores[index] = float(best["score"])
        self.scores = [scores[index] for index in sorted(scores)]
        return self._ordered(found)

    @torch.no_grad()
    def warm_up(self) -> None:
        """Translate the first batch and forget it."""
        self._best(self._batches[0])

    def _best(self, batch):
        hypotheses = self.task.inference_step(self._generator, [self.model], batch)
        return [(index, best[0]) for index, best in zip(batch["id"].tolist(), hypotheses)]

    def _text(self, tokens: torch.Tensor, escape_unk: bool = False) -> str:
        dictionary = self.task.target_dictionary
        tokens = tokens[tokens != dictionary.pad()]
        text = dictionary.string(
            tokens, self._post_process, escape_unk, extra_symbols_to_ignore=self._strip
        )
        for decoder in self._decoders:
            text = decoder.decode(text)
        return text

    def _ordered(self, found) -> List[str]:
        if len(found) != len(self.task.dataset(self.subset)):
            raise PruneError(
                f"{self.subset} has sentences longer than the model's --max-source-positions or "
                f"--max-target-positions; take them out"
            )
        return [found[index] for index in sorted(found)]


def generation_config(words: List[str]) -> Any:
    """fairseq's configuration of ``fairseq-generate`` with options ``words``."""
    parser = options.get_generation_parser(default_task="translation")
    try:
        args = options.parse_args_and_arch(parser, input_args=["DATA", "--path", "CKPT", *words])
    except SystemExit as error:
        raise PruneError(
            f"generate: {' '.join(words)}: not options of fairseq-generate (what it said is above)"
        ) from error
    for word in words:
        if word.split("=")[0] in NOT_TAKEN:
            raise PruneError(f"generate: {word.split('=')[0]} is not for this; leave it out")
    return convert_namespace_to_omegaconf(args)


def bleu(hypotheses: List[str], references: List[str]) -> Tuple[float, str]:
    """BLEU in points, and sacrebleu's signature of it.

    Raises:
        PruneError: there are not as many references as hypotheses.
    """
    if len(hypotheses) != len(references):
        raise PruneError(
            f"there are {len(references)} references for {len(hypotheses)} translations; "
            f"check evaluate: references"
        )
    metric = sacrebleu.metrics.BLEU()
    score = metric.corpus_score(hypotheses, [references])
    return score.score, str(metric.get_signature())
