"""The data folder, once all is translated."""

import os
from typing import Dict, Iterator, List, Optional

import numpy as np
from fairseq.data import data_utils

from .decoder import Decoder
from .request import Request
from .sets import ENDS, Pairs, copy_file, files_besides, implementation_of, write_set
from .shards import Shard, Shards


def assemble(
    request: Request, decoder: Decoder, all_shards: List[Shard], shards: Shards, out: str
) -> Dict[str, int]:
    """Write the sets and copy what belongs to them; count.

    What fairseq looks for first, the sentences of the first set, comes last: until then there is
    none to train on.
    """
    source, target = decoder.languages
    counts = dict.fromkeys(("sentences", "translated", "too_long", "tokens", "unknown"), 0)
    new = []
    for part, pairs in enumerate(decoder.sets):
        name = pairs.name
        if request.keep_reference:
            # the originals stay, and fairseq reads on with the next number
            number = len(decoder.sets) + part
            name = f"{request.subset}{number}"
        new.append(Pairs(name, pairs.pair))
        translations = _translations(part, all_shards, shards)
        prefix = pairs.prefix(request.data, target)
        references = None
        if decoder.has_references(part):
            references = data_utils.load_indexed_dataset(prefix, decoder.words)
        stored = implementation_of(
            pairs.prefix(request.data, target if references is not None else source)
        )
        sentences = _in_order(decoder.sentences(part), translations, references)
        write_set(new[-1].prefix(out, target), sentences, stored, len(decoder.words), shards.folder)
        words = np.concatenate(list(translations.values()))
        counts["sentences"] += decoder.sentences(part)
        counts["translated"] += len(translations)
        counts["tokens"] += len(words)
        counts["unknown"] += int((words == decoder.words.unk()).sum())
    counts["too_long"] = counts["sentences"] - counts["translated"]
    _copy(request, decoder, new, out)
    return counts


def _translations(part: int, all_shards: List[Shard], shards: Shards) -> Dict[int, np.ndarray]:
    translations: Dict[int, np.ndarray] = {}
    for shard in all_shards:
        if shard.part == part:
            translations.update(shards.read(shard.number))
    return translations


def _in_order(count: int, translations: Dict[int, np.ndarray], references) -> Iterator[np.ndarray]:
    """Of each sentence its translation, or the reference where there is none."""
    for number in range(count):
        sentence: Optional[np.ndarray] = translations.get(number)
        if sentence is None:
            if references.supports_prefetch:
                references.prefetch([number])
            sentence = references[number].numpy()
        yield sentence


def _copy(request: Request, decoder: Decoder, new: List[Pairs], out: str) -> None:
    source, target = decoder.languages
    copies = {name: name for name in files_besides(request.data, decoder.sets)}
    for old, pairs in zip(decoder.sets, new):
        for end in ENDS:
            copies[pairs.prefix("", source) + end] = old.prefix("", source) + end
            if request.keep_reference:
                for language in (source, target):
                    name = old.prefix("", language) + end
                    copies[name] = name
    first = decoder.sets[0].prefix("", source) + ".idx"
    last = copies.pop(first)
    for name, copied in copies.items():
        copy_file(os.path.join(request.data, copied), os.path.join(out, name))
    copy_file(os.path.join(request.data, last), os.path.join(out, first))
