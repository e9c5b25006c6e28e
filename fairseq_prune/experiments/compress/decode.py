"""Translations of a subset by a file, kept as texts."""

import os
from typing import Any, List, Optional, Tuple

from fairseq.tasks import FairseqTask

from ...analysis.generate_options import generate_config, pieces_of
from ...analysis.translate import Translations, translate
from ...checkpoints.writing import write_text
from ...pruning import PruneError

#: Where --generate is not given, with what the dictionary shows.
USUAL = ("--beam", "5")


def usual_words(task: FairseqTask) -> Tuple[str, ...]:
    """Options of fairseq-generate: a beam of 5, and pieces of words joined, where the target
    dictionary has any."""
    kind = pieces_of(task)
    return USUAL if kind is None else (*USUAL, "--remove-bpe", kind)


class Decoder:
    """Translates subsets of data, always in the same way."""

    def __init__(self, data: str, words: Tuple[str, ...], cpu: bool):
        """
        Args:
            words: options of fairseq-generate.
        """
        self.data, self.words, self._cpu = data, list(words), cpu

    def config(self, path: str, subset: str, *more: str) -> Any:
        """
        Raises:
            PruneError: an option is not taken.
        """
        own = ["--gen-subset", subset, *(["--cpu"] if self._cpu else []), *more]
        return generate_config(path, self.data, self.words, own)

    def try_out(self, path: str, subset: str) -> None:
        """Translate the shortest and the longest sentence, and one between.

        Raises:
            PruneError: see ``translate``; the data have no references.
        """
        _check_references(translate(self.config(path, subset), most=3), subset)

    def texts(self, path: str, subset: str, kept: str, references: Optional[str]) -> List[str]:
        """The translations, in the order of the data, also in the text file ``kept``; from there,
        if it is there already.

        Args:
            references: text file for the references of the same sentences.
        Raises:
            PruneError: see ``translate``; the data have no references.
        """
        if not os.path.exists(kept):
            translations = translate(self.config(path, subset))
            numbers = sorted(translations.texts)
            _check_references(translations, subset)
            if references is not None:
                _write(references, [translations.references[n] for n in numbers])
            _write(kept, [translations.texts[n] for n in numbers])
        return read_lines(kept)

    def speed(self, path: str, subset: str, runtime: str, most: int) -> Translations:
        """Some sentences, one by one on the CPU, with their time."""
        more = ["--gen-subset", subset, "--cpu"]
        if runtime != "dense":
            more += ["--prune-runtime", runtime]
        words = [*self.words, "--batch-size", "1"]
        cfg = generate_config(path, self.data, words, more)
        return translate(cfg, warm_up=True, most=most)


def _check_references(translations: Translations, subset: str) -> None:
    if not translations.references:
        raise PruneError(f"{subset} has no target side to score translations by")


def read_lines(path: str) -> List[str]:
    with open(path, encoding="utf-8", newline="\n") as f:
        return [line.rstrip("\n") for line in f]


def _write(path: str, lines: List[str]) -> None:
    write_text(path, "".join(f"{line}\n" for line in lines))
