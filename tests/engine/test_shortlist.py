"""A search among some of the words, against fairseq's with the others forbidden."""

import numpy as np
import pytest
import torch
from engine.models import WORDS, fairseq_search, in_engine, pack, random_model, sentences
from engine.test_generate import LSTM, OURS, TRANSFORMER, check_same, options

from fairseq_prune.checkpoints.packed.packed_model import PackedModel
from fairseq_prune.engine.library import find_library
from fairseq_prune.parameters.kinds import is_copy
from fairseq_prune.pruning import PruneError

pytestmark = pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")

SOME = np.array([1, 2, 3, 7, 8, 15, 16, 17, 30, 41, 44, 58], np.int32)


def only(words, model):
    """Have fairseq's model give all other words a probability of zero."""
    others = torch.ones(WORDS, dtype=torch.bool)
    others[torch.from_numpy(words).long()] = False
    of_all = model.get_normalized_probs

    def of_some(net_output, log_probs, sample=None):
        scores = net_output[0].masked_fill(others, -float("inf"))
        return of_all((scores, *net_output[1:]), log_probs, sample)

    model.get_normalized_probs = of_some


@pytest.mark.parametrize(
    "words", [OURS, f"{OURS} --lstm-bias --share-decoder-input-output-embed", LSTM, TRANSFORMER]
)
@pytest.mark.parametrize("density", [0.3, 1.0])
@pytest.mark.parametrize("values", ["exact", "int8"])
def test_as_if_there_were_no_others(words, density, values, tmp_path):
    model, cfg = random_model(words, density=density)
    path = pack(model, cfg, str(tmp_path / "model"), values)
    packed = PackedModel(path)
    stored = packed.state(packed.decode())["model"]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if not is_copy(name):
                weight.copy_(stored[name])  # as int8 has rounded it
    engine = in_engine(path, cfg)
    batch = sentences(7, seed=2)
    arrays = [sentence.numpy() for sentence in batch]
    every = engine.generate(arrays, options(), [9] * 7, shortlist=np.arange(WORDS, dtype=np.int32))
    assert [h.tokens.tolist() for found in every for h in found] == [
        h.tokens.tolist() for found in engine.generate(arrays, options(), [9] * 7) for h in found
    ]
    only(SOME, model)
    theirs = fairseq_search(model, batch, beam_size=4, max_len_b=9)
    ours = engine.generate(arrays, options(), [9] * 7, shortlist=SOME)
    used = {n for found in ours for h in found for n in h.tokens.tolist()}
    assert used <= set(SOME.tolist())
    if values == "exact":
        check_same(theirs, ours)
    for their, our in zip(theirs, ours):  # whole numbers round what they are multiplied by
        np.testing.assert_allclose(our[0].score, float(their[0]["score"]), atol=2e-2)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    model, cfg = random_model(OURS)
    return in_engine(pack(model, cfg, str(tmp_path_factory.mktemp("model") / "model")), cfg)


def test_prefixes_and_few_words(engine):
    """Fewer words than the beam has hypotheses."""
    few = np.array([1, 2, 3, 9], np.int32)
    prefixes = [np.array([9, 9], np.int32)]
    found = engine.generate([np.array([5, 2])], options(8), [6], prefixes, shortlist=few)
    assert found[0] and all(h.tokens[:2].tolist() == [9, 9] for h in found[0])


@pytest.mark.parametrize(
    "words, message",
    [
        ([1, 3, 9], "word 2 is needed"),
        ([1, 2, 3, 9, 8], "ascending"),
        ([1, 2, 2, 3], "ascending"),
        ([-1, 1, 2, 3], "no word -1"),
        ([1, 2, 3, WORDS], f"no word {WORDS}"),
    ],
)
def test_mistakes(engine, words, message):
    with pytest.raises(PruneError, match=message):
        engine.generate([np.array([5, 2])], options(), [6], shortlist=np.array(words, np.int32))
    with pytest.raises(PruneError, match="word 7 is needed"):
        engine.generate(
            [np.array([5, 2])], options(), [6], [np.array([7], np.int32)],
            shortlist=np.array([1, 2, 3], np.int32),
        )  # fmt: skip
