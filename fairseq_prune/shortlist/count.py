"""From which words lie beside each other in translations to a shortlist."""

from typing import Iterable, Iterator, List, Sequence, Tuple

import numpy as np

from ..packed.shortlist import Shortlist

#: Links of one sentence pair: places of a source word and of the target word it belongs to.
Links = Sequence[Tuple[int, int]]

#: Pairs of words to count at once.
_MOST = 1 << 22


def count_links(
    sentences: Iterable[Tuple[Sequence[int], Sequence[int], Links]],
    source_words: int,
    target_words: int,
    best: int,
    frequent: int,
    same: Iterable[Tuple[int, int]] = (),
) -> Shortlist:
    """
    Args:
        sentences: numbers of the words of the source and of the target, and their links.
        best: most translations of a source word, those it is linked with most often.
        frequent: how many of the target's most frequent words are among every sentence's.
        same: source words and the target words that are spelled alike, kept besides.
    """
    seen = np.zeros(target_words, np.int64)
    keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    for some_keys, some_words in _gathered(sentences, target_words):
        seen += np.bincount(some_words, minlength=target_words)
        new_keys, new_counts = np.unique(some_keys, return_counts=True)
        keys, places = np.unique(np.concatenate([keys, new_keys]), return_inverse=True)
        both = np.concatenate([counts, new_counts])
        counts = np.bincount(places.reshape(-1), both, len(keys)).astype(np.int64)
    sources, targets = keys // target_words, keys % target_words
    order = np.lexsort((targets, -counts, sources))
    sources, targets = sources[order], targets[order]
    starts = np.searchsorted(sources, np.arange(source_words))
    rank = np.arange(len(sources)) - starts[sources]
    kept = [sources[rank < best] * target_words + targets[rank < best]]
    kept += [np.array([s * target_words + t for s, t in same], np.int64)]
    chosen = np.unique(np.concatenate(kept))
    by_frequency = np.lexsort((np.arange(target_words), -seen))[:frequent]
    return Shortlist(
        np.bincount(chosen // target_words, minlength=source_words),
        (chosen % target_words).astype(np.int32),
        np.sort(by_frequency[seen[by_frequency] > 0]).astype(np.int32),
    )


def _gathered(sentences, target_words: int) -> Iterator[Tuple[np.ndarray, np.ndarray]]:
    """Pairs of linked words, as one number each, and all words of the target, piece by piece."""
    keys: List[int] = []
    words: List[int] = []
    for source, target, links in sentences:
        keys += [source[i] * target_words + target[j] for i, j in links]
        words += target
        if len(keys) + len(words) > _MOST:
            yield np.array(keys, np.int64), np.array(words, np.int64)
            keys, words = [], []
    yield np.array(keys, np.int64), np.array(words, np.int64)
