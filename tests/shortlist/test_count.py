"""Counting links, against counting them one by one."""

import random
from collections import Counter

import pytest

from fairseq_prune.shortlist import count
from fairseq_prune.shortlist.count import count_links


def some_sentences(number, seed=0):
    chance = random.Random(seed)
    for _ in range(number):
        source = [chance.choice([3, 4, 5, 6, 8]) for _ in range(chance.randrange(6))]
        target = [chance.randrange(4, 30) for _ in range(chance.randrange(6))]
        links = [(i, j) for i in range(len(source)) for j in range(len(target))]
        yield source, target, chance.sample(links, len(links) // 3)


def one_by_one(sentences, source_words, best, frequent, same):
    translations = [Counter() for _ in range(source_words)]
    seen = Counter()
    for source, target, links in sentences:
        seen.update(target)
        for i, j in links:
            translations[source[i]][target[j]] += 1
    chosen = []
    for word, counts in enumerate(translations):
        ranked = sorted(counts, key=lambda t: (-counts[t], t))[:best]
        chosen.append(sorted({*ranked, *(t for s, t in same if s == word)}))
    return chosen, sorted(sorted(seen, key=lambda t: (-seen[t], t))[:frequent])


@pytest.mark.parametrize("best, frequent", [(1, 1), (3, 5), (50, 500)])
@pytest.mark.parametrize("piece", [1, 40, 1 << 22])
def test_counts(best, frequent, piece, monkeypatch):
    monkeypatch.setattr(count, "_MOST", piece)
    same = [(4, 4), (9, 29), (9, 5)]
    found = count_links(some_sentences(200), 10, 30, best, frequent, same)
    chosen, usual = one_by_one(some_sentences(200), 10, best, frequent, same)
    assert found.counts.tolist() == list(map(len, chosen))
    assert found.words.tolist() == [word for words in chosen for word in words]
    assert found.frequent.tolist() == usual


def test_no_sentences():
    found = count_links([], 5, 9, 3, 4)
    assert found.counts.tolist() == [0] * 5
    assert not found.words.size and not found.frequent.size
