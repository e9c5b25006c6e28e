"""How good a file is, and how fast."""

import glob
import os
import time
from dataclasses import asdict
from typing import Any, Dict, List, Tuple

import torch
from sacrebleu.metrics import BLEU, CHRF

from ...analysis.language_model import perplexity
from ...analysis.significance import differences
from ...loading.evaluation import batches_of, load_model
from ...loading.load import load
from .decode import Decoder, read_lines
from .folder import Folder
from .plan import Plan

#: Sentences (of a language model: blocks) that speed is measured with.
MOST = 100


class Scores:
    """Scores of files on the data of a plan; translations stay in the plan's folder."""

    def __init__(self, plan: Plan, decoder: Decoder, folder: Folder):
        self._plan, self._decoder, self._folder = plan, decoder, folder

    def texts(self, name: str, path: str, subset: str) -> List[str]:
        """Translations by the file that is called ``name``: "dense", "packed", ..."""
        references = self.references_file(subset) if name == "dense" else None
        return self._decoder.texts(path, subset, self.file(subset, name), references)

    def file(self, subset: str, name: str) -> str:
        return self._folder.file(f"{subset}.{name}.txt")

    def forget(self, *names: str) -> None:
        """Remove the texts by the files that are called so, of whatever subset."""
        for name in names:
            for path in glob.glob(os.path.join(glob.escape(self._folder.path), f"*.{name}.txt")):
                os.remove(path)

    def references_file(self, subset: str) -> str:
        return self.file(subset, "reference")

    def value(self, name: str, path: str, subset: str) -> float:
        """The plan's metric of a file, whose texts are kept under ``name``; "dense" comes first."""
        if self._plan.metric == "perplexity":
            return self.perplexity(path, subset)
        texts = self.texts(name, path, subset)
        right = read_lines(self.references_file(subset))
        if self._plan.metric == "chrf":
            return CHRF().corpus_score(texts, [right]).score
        return BLEU(**self.scoring(path, subset)).corpus_score(texts, [right]).score

    def loss(self, before: float, after: float) -> float:
        """How much worse ``after`` is, in the metric's points."""
        return after - before if self._plan.metric == "perplexity" else before - after

    def scoring(self, path: str, subset: str) -> Dict[str, Any]:
        """How BLEU is counted."""
        scoring = self._decoder.config(path, subset).scoring
        return {
            "tokenize": str(scoring.sacrebleu_tokenizer),
            "lowercase": bool(scoring.sacrebleu_lowercase),
        }

    def perplexity(self, path: str, subset: str) -> float:
        model, task = load_model(path, self._plan.asked.data, [subset])
        if self._plan.on_gpu:
            model.cuda()
        return perplexity(model, batches_of(model, task, subset))

    def beside(self, dense: str, packed: str, subset: str) -> Dict[str, Any]:
        """Scores of both files: "perplexity" of each and, of translations, the ``differences``."""
        scores: Dict[str, Any] = {
            "subset": subset,
            "perplexity": {"dense": self.perplexity(dense, subset),
                           "packed": self.perplexity(packed, subset)},
            "differences": [],
        }  # fmt: skip
        if not self._plan.is_lm:
            before, after = (
                self.texts(n, p, subset) for n, p in (("dense", dense), ("packed", packed))
            )
            right = read_lines(self.references_file(subset))
            scores["sentences"] = len(right)
            scoring = self.scoring(dense, subset)
            scores["differences"] = [
                asdict(d) for d in differences(before, after, right, **scoring)
            ]
            scores["identical"] = sum(a == b for a, b in zip(before, after))
        return scores

    def speeds(self, dense: str, packed: str) -> Dict[str, Any]:
        """Of both files on the CPU, one sentence at a time: "dense", "packed" (runtime auto), in
        "unit" a second."""
        subset = self._plan.subsets[-1]
        measure = self._words_a_second if self._plan.is_lm else self._sentences_a_second
        (before, count), (after, _) = (
            measure(path, runtime, subset) for path, runtime in ((dense, "dense"), (packed, "auto"))
        )
        return {
            "unit": "words" if self._plan.is_lm else "sentences",
            "dense": before,
            "packed": after,
            "runtime": "auto",
            "subset": subset,
            "count": count,
            "threads": torch.get_num_threads(),
            "cores": os.cpu_count(),
        }

    def _sentences_a_second(self, path: str, runtime: str, subset: str) -> Tuple[float, int]:
        """Translated, and how many were."""
        translations = self._decoder.speed(path, subset, runtime, MOST)
        return len(translations.texts) / translations.seconds, len(translations.texts)

    def _words_a_second(self, path: str, runtime: str, subset: str) -> Tuple[float, int]:
        """Scored, block by block, and how many blocks were."""
        model, _, task = load(path, self._plan.asked.data, runtime)
        task.load_dataset(subset)
        batches = batches_of(model.eval(), task, subset, max_sentences=1)[:MOST]
        perplexity(model, batches[:1])  # "auto" chooses
        started = time.perf_counter()
        perplexity(model, batches)
        seconds = time.perf_counter() - started
        return sum(batch["ntokens"] for batch in batches) / seconds, len(batches)
