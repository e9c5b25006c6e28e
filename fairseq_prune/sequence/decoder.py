"""The teacher, and what it makes of the sentences of a set."""

from argparse import Namespace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
from fairseq import utils
from fairseq.data import LanguagePairDataset
from fairseq.dataclass.configs import GenerationConfig
from fairseq.search import BeamSearch
from fairseq_cli.generate import get_symbols_to_strip_from_output
from torch import Tensor

from ..loading.load import load
from ..pruning import PruneError
from ..runtime.chosen import choose_, chosen
from ..runtime.search import TwoStepBeamSearch
from .check import check_dictionaries, check_translates, languages_of, not_of_a_pair
from .choose import nearest
from .request import REFERENCE, Request
from .sets import Pairs, find_sets


class Decoder:
    """Translates as ``fairseq-generate`` does with the same options: the same batches.

    Attributes:
        sets: what is to be translated.
        languages: source and target.
        words: the target dictionary.
    """

    def __init__(self, request: Request):
        """
        Raises:
            PruneError: the files cannot be used, or are no teacher and its data.
        """
        self._request = request
        check_translates(request.source, request.data)
        self._model, cfg, task = load(request.source, request.data, request.runtime)
        check_dictionaries(request.source, request.data, cfg, task)
        # products of --runtime are the CPU's
        may = request.runtime == "dense" and not request.cpu
        self._on_gpu = may and torch.cuda.is_available()
        if self._on_gpu:
            self._model.cuda()
        options = GenerationConfig(
            beam=request.beam,
            max_len_a=request.max_len_a,
            max_len_b=request.max_len_b,
            lenpen=request.lenpen,
        )
        self._model.prepare_for_inference_(Namespace(generation=options))
        self._generator = task.build_generator([self._model], options)
        if type(getattr(self._generator, "search", None)) is BeamSearch:
            self._generator.search = TwoStepBeamSearch(task.target_dictionary)
        self._task, self.words = task, task.target_dictionary
        self.languages: Tuple[str, str] = languages_of(request.source, task)
        self.sets: List[Pairs] = find_sets(request.data, request.subset, *self.languages)
        self._datasets = [self._load(pairs.name) for pairs in self.sets]

    def _load(self, name: str) -> LanguagePairDataset:
        try:
            self._task.load_dataset(name)
        except (OSError, AssertionError, KeyError) as error:
            raise PruneError(
                f"DATA {self._request.data}: {name} cannot be read: {error}"
            ) from error
        dataset = self._task.dataset(name)
        if not isinstance(dataset, LanguagePairDataset):
            raise not_of_a_pair(self._request.source)
        return dataset

    def has_references(self, part: int) -> bool:
        return self._datasets[part].tgt is not None

    def sentences(self, part: int) -> int:
        """How many the set has."""
        return len(self._datasets[part])

    def tokens(self, part: int, numbers: Sequence[int]) -> int:
        """Of the source of some sentences."""
        return int(np.asarray(self._datasets[part].src_sizes)[np.asarray(numbers)].sum())

    def batches(self, part: int) -> List[List[int]]:
        """Numbers of sentences that are translated at a time, short ones first; without those
        that are too long for the model.

        Raises:
            PruneError: ``--max-tokens`` is too few for a sentence.
        """
        limits = (self._task.max_positions(), self._model.max_positions())
        try:
            batches = self._task.get_batch_iterator(
                dataset=self._datasets[part],
                max_tokens=self._request.max_tokens,
                max_sentences=self._request.sentences_at_a_time,
                max_positions=utils.resolve_max_positions(*limits),
                ignore_invalid_inputs=True,
                required_batch_size_multiple=1,
            ).frozen_batches
        except (AssertionError, ValueError) as error:
            raise PruneError(
                f"--max-tokens {self._request.max_tokens} is too few for a sentence of "
                f"{self.sets[part].name}; give more"
            ) from error
        return [[int(number) for number in batch] for batch in batches]

    def prefetch(self, part: int, numbers: Sequence[int]) -> None:
        """Read some sentences, where the data is stored so that it must be said which."""
        if self._datasets[part].supports_prefetch:
            self._datasets[part].prefetch(numbers)

    def translate(self, part: int, numbers: Sequence[int]) -> Dict[int, np.ndarray]:
        """Word numbers, int32, of the translation of each of a batch, the end of sentence last."""
        dataset = self._datasets[part]
        sample = dataset.collater([dataset[number] for number in numbers])
        if self._on_gpu:
            sample = utils.move_to_cuda(sample)
        all_hypotheses = self._task.inference_step(self._generator, [self._model], sample)
        return {
            number: self._ended(self._choose(hypotheses, sample["target"], row))
            for row, (number, hypotheses) in enumerate(zip(sample["id"].tolist(), all_hypotheses))
        }

    def kinds(self, part: int, numbers: Sequence[int]) -> Dict[str, str]:
        """What ``auto`` chooses, by trying on a batch."""
        self.prefetch(part, numbers)
        self.translate(part, numbers)
        return chosen(self._model)

    def take(self, kinds: Mapping[str, str]) -> None:
        """Have ``auto`` choose as it did before."""
        choose_(self._model, kinds)

    def _choose(self, hypotheses: List[Dict[str, Any]], targets: Optional[Tensor], row: int):
        words = [hypothesis["tokens"].int().cpu() for hypothesis in hypotheses]
        if self._request.by != REFERENCE or len(words) == 1:
            return words[0]
        assert targets is not None, "a set without references is refused"
        reference = utils.strip_pad(targets[row], self.words.pad()).int().cpu()
        # an unknown word of the reference is not that of a hypothesis
        return words[nearest([self._text(w) for w in words], self._text(reference, True))]

    def _text(self, words: Tensor, escape_unk: bool = False) -> str:
        """As in fairseq-generate's lines."""
        left_out = get_symbols_to_strip_from_output(self._generator)
        return self.words.string(words, escape_unk=escape_unk, extra_symbols_to_ignore=left_out)

    def _ended(self, words: Tensor) -> np.ndarray:
        """With the end that the data has, where a model ends with the language's."""
        numbers = words.numpy().astype(np.int32)
        ends = {self._generator.eos, self.words.eos()}
        while len(numbers) and numbers[-1] in ends:
            numbers = numbers[:-1]
        return np.append(numbers, np.int32(self.words.eos()))
