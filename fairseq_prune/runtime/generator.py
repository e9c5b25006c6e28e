"""fairseq's generators, which have the engine search where it can."""

import logging
import weakref
from argparse import Namespace
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch
from fairseq.models import BaseFairseqModel
from fairseq.search import BeamSearch
from fairseq.sequence_generator import SequenceGenerator, SequenceGeneratorWithAlignment
from omegaconf import OmegaConf
from torch import Tensor

from ..engine.library import Options, find_library
from ..engine.model import EngineModel
from ..errors import PruneError
from .alignment import AligningGenerator
from .module_weights import ModuleWeights

logger = logging.getLogger("fairseq_prune")

#: Model -> its weights, their state when they were read, and the engine's model of them. While
#: the weights are held, nothing else gets their addresses.
_ENGINES: Any = weakref.WeakKeyDictionary()


class EngineGenerator(SequenceGenerator):
    """Beam search in the engine; what the engine does not know is fairseq's own, as ever."""

    engine: EngineModel

    def _generate(
        self,
        sample: Dict[str, Dict[str, Tensor]],
        prefix_tokens: Optional[Tensor] = None,
        constraints: Optional[Tensor] = None,
        bos_token: Optional[int] = None,
    ) -> List[List[Dict[str, Tensor]]]:
        tokens = sample["net_input"].get("src_tokens")
        prefixes = _prefixes(prefix_tokens, self.pad)
        ends = any(self.eos in prefix for prefix in prefixes or ())
        if tokens is None or constraints is not None or ends:
            return super()._generate(sample, prefix_tokens, constraints, bos_token)
        longest = min(int(self.max_len_a * tokens.size(1) + self.max_len_b), self.max_len - 1)
        assert self.min_len <= longest, "min_len cannot be larger than max_len"
        options = Options(
            self.beam_size, self.min_len, int(self.normalize_scores), 1, self.pad, self.eos,
            self.unk, self.eos if bos_token is None else bos_token, self.len_penalty,
            self.unk_penalty, self.temperature,
        )  # fmt: skip
        words = tokens.ne(self.pad).numpy() & (self.engine.source_words > 0)
        sentences = [row[here].astype(np.int32) for row, here in zip(tokens.numpy(), words)]
        self.engine.set_threads(torch.get_num_threads())
        all_hypotheses = self.engine.generate(
            sentences, options, [longest] * len(sentences), prefixes
        )
        return [
            [self._hypothesis(h, here) for h in hypotheses]
            for hypotheses, here in zip(all_hypotheses, words)
        ]

    def _hypothesis(self, hypothesis, here: np.ndarray) -> Dict[str, Tensor]:
        attention = torch.empty(0)
        if self.engine.has_attention:
            weights = np.zeros((len(here), len(hypothesis.tokens)), np.float32)
            weights[here] = hypothesis.attention.T
            attention = torch.from_numpy(weights)
        return {
            "tokens": torch.from_numpy(hypothesis.tokens.astype(np.int64)),
            "score": torch.tensor(hypothesis.score),
            "attention": attention,
            "alignment": torch.empty(0),
            "positional_scores": torch.from_numpy(hypothesis.positional_scores),
        }


class _WithAlignment(SequenceGeneratorWithAlignment, EngineGenerator):
    pass


class _Aligning(AligningGenerator, EngineGenerator):
    pass


_CLASSES = {
    SequenceGenerator: EngineGenerator,
    SequenceGeneratorWithAlignment: _WithAlignment,
    AligningGenerator: _Aligning,
}


def use_engine_(generator: Any, models: List[BaseFairseqModel]) -> bool:
    """Have ``generator`` ask the engine, if that knows all that is asked for.

    Args:
        models: with ``engine_settings``, the architecture's name and options.
    """
    if find_library() is None or len(models) != 1 or not _known(generator):
        return False
    try:
        engine = _engine_of(models[0])
    except PruneError as error:
        logger.info(f"fairseq's own search, with the engine's products: {error}")
        return False
    generator.__class__ = _CLASSES[type(generator)]
    generator.engine = engine
    return True


def _known(generator: Any) -> bool:
    """Whether the search has no options that are not the engine's."""
    return (
        type(generator) in _CLASSES
        and type(generator.search) is BeamSearch
        and getattr(generator, "lm_model", None) is None
        and getattr(generator, "repeat_ngram_blocker", None) is None
        and getattr(generator, "token_indices_to_suppress", None) is None
        and not getattr(generator, "match_source_len", False)
        and generator.vocab_size > 2 * generator.beam_size
    )


def _engine_of(model: BaseFairseqModel) -> EngineModel:
    weights = ModuleWeights(model)
    state, (arch, options) = weights.state(), model.engine_settings
    if model not in _ENGINES or _ENGINES[model][1] != state:
        _ENGINES[model] = weights, state, EngineModel(weights, arch, options)
    return _ENGINES[model][2]


def settings_of(cfg: Any) -> Tuple[Optional[str], Dict[str, Any]]:
    """The architecture's name and options in a model's configuration."""
    named: Any = vars(cfg) if isinstance(cfg, Namespace) else OmegaConf.to_container(cfg)
    return named.get("arch") or named.get("_name"), named


def _prefixes(tokens: Optional[Tensor], pad: int) -> Optional[List[np.ndarray]]:
    if tokens is None:
        return None
    return [row[row != pad].astype(np.int32) for row in tokens.numpy()]
