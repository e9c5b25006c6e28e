"""The engine in several threads of Python, in forked processes, with any number of threads."""

import os
import threading

import numpy as np
import pytest
from engine.models import in_engine, pack, random_model, sentences
from engine.test_generate import OURS, options

from fairseq_prune.engine.library import find_library

pytestmark = pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")

BATCH = [s.numpy() for s in sentences(40, seed=6)]


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("models"), []
    for seed in (0, 1):
        # large enough for several threads
        model, cfg = random_model(OURS.replace("hidden-size 24", "hidden-size 128"), seed)
        found.append(in_engine(pack(model, cfg, str(folder / f"model{seed}")), cfg))
    yield found
    find_library().engine_threads(1)


def words(engine):
    found = engine.generate(BATCH, options(), [10] * len(BATCH))
    return [h.tokens.tolist() for hypotheses in found for h in hypotheses]


@pytest.mark.parametrize("count", [1, 3, 255, 100_000, 2**31 - 1, 0, -7])
def test_any_number_of_threads(engines, count):
    find_library().engine_threads(1)
    expected = words(engines[0])
    find_library().engine_threads(count)
    assert words(engines[0]) == expected
    assert len(os.listdir("/proc/self/task")) < 400


def test_two_models_in_two_threads(engines):
    find_library().engine_threads(3)
    expected = list(map(words, engines))
    assert expected[0] != expected[1]
    found = [[], []]

    def work(which):
        for _ in range(5):
            found[which].append(words(engines[which]))

    threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[which] == [expected[which]] * 5 for which in (0, 1))


def test_a_forked_process(engines):
    """While another thread is in the engine, too; the child has threads of its own."""
    find_library().engine_threads(3)
    expected, stop = words(engines[0]), threading.Event()

    def work():
        while not stop.is_set():
            words(engines[1])

    busy = threading.Thread(target=work)
    busy.start()
    try:
        for _ in range(8):
            child = os.fork()
            if not child:
                os._exit(0 if words(engines[0]) == expected else 1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        busy.join()
    assert words(engines[0]) == expected


def test_nothing_to_translate(engines):
    assert engines[0].generate([], options(), []) == []
    found = engines[0].generate([BATCH[0]], options(beam=1, min_len=0), [0])
    assert np.array_equal(found[0][0].tokens, [2])
