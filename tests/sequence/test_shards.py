"""How batches are put together, and what is written of them."""

import numpy as np
import pytest

from fairseq_prune.sequence.choose import nearest
from fairseq_prune.sequence.progress import EVERY, Progress
from fairseq_prune.sequence.shards import FILES, SENTENCES, Shards, cut


def test_each_sentence_is_in_one_shard_in_the_order_of_its_batches():
    parts = [[range(0, 70), range(70, 130), range(130, 140)], [[5], [3]]]
    shards = cut(parts)
    assert [shard.number for shard in shards] == [0, 1, 2]
    assert [(shard.part, shard.sentences) for shard in shards] == [(0, 130), (0, 10), (1, 2)]
    for part, batches in enumerate(parts):
        found = [batch for shard in shards if shard.part == part for batch in shard.batches]
        assert found == batches
    assert shards[0].sentences >= SENTENCES


def test_there_are_not_too_many_shards():
    batches = [[0] * 64] * 8000
    shards = cut([batches])
    assert len(shards) <= FILES and sum(shard.sentences for shard in shards) == 64 * 8000


def test_what_is_written_is_read(tmp_path):
    shards = Shards(str(tmp_path))
    sentences = {7: np.array([4, 5, 2], np.int32), 3: np.array([2], np.int32)}
    assert shards.finished() == set()
    shards.write(12, sentences)
    (tmp_path / ".fairseq_prune_000013.npz_01234567").touch()
    assert shards.finished() == {12}
    found = shards.read(12)
    assert {n: words.tolist() for n, words in found.items()} == {7: [4, 5, 2], 3: [2]}
    assert all(words.dtype == np.int32 for words in found.values())


@pytest.mark.parametrize(
    "hypotheses, best",
    [
        (["a b c", "a b d e", "a b c d e"], 2),
        (["x", "a b c d"], 1),
        (["a b c d", "a b c d"], 0),
        (["x y", "y"], 0),
        # tokens as they stand: no word is put together, no case forgotten
        (["A B C D", "a b c ,d", "a b c d"], 2),
    ],
)
def test_the_nearest_hypothesis_is_the_first_of_the_best(hypotheses, best):
    assert nearest(hypotheses, "a b c d e" if "a b c d e" in hypotheses else "a b c d") == best


def test_progress_counts_this_run_and_all_there_is():
    said, now = [], [100.0]
    progress = Progress({0: 10, 1: 30}, {0: 200, 1: 300}, 60, said.append, lambda: now[0])
    progress.tell(set())
    now[0] += 20
    progress.tell({0, 7})
    assert said == ["70 of 100 sentences, 0.5 a second, about 30 s left"]
    now[0] += EVERY / 2
    progress.tell({0, 1})
    assert len(said) == 1
    now[0] += EVERY / 2
    progress.tell({0, 1})
    assert said[1] == "100 of 100 sentences, 1.3 a second"
