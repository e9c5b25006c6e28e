"""The engine finds what fairseq's own search finds, with fairseq's own models."""

import numpy as np
import pytest
import torch
from engine.models import fairseq_search, in_engine, pack, random_model, sentences

from fairseq_prune.engine import stored
from fairseq_prune.engine.library import Options, find_library

pytestmark = pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")

OURS = "--arch pruned_lstm_nmt --hidden-size 24 --num-layers 2"
LSTM = (
    "--arch lstm --encoder-embed-dim 12 --encoder-hidden-size 16 --encoder-layers 2 "
    "--decoder-embed-dim 12 --decoder-hidden-size 16 --decoder-layers 2"
)
TRANSFORMER = (
    "--arch transformer --encoder-layers 2 --decoder-layers 2 --encoder-embed-dim 24 "
    "--decoder-embed-dim 24 --encoder-ffn-embed-dim 40 --decoder-ffn-embed-dim 36 "
    "--encoder-attention-heads 3 --decoder-attention-heads 4"
)
ARCHITECTURES = {
    "ours": OURS,
    "ours, input feeding, biases": f"{OURS} --decoder-input-feed --lstm-bias",
    "ours, no attention, tied": f"{OURS} --no-attention --share-decoder-input-output-embed",
    "ours, all tied": f"{OURS} --share-all-embeddings",
    "lstm": f"{LSTM} --decoder-out-embed-dim 16",
    "lstm, both directions": f"{LSTM} --encoder-bidirectional --decoder-out-embed-dim 20",
    "lstm, no attention": f"{LSTM} --decoder-attention 0 --decoder-out-embed-dim 16",
    "transformer": f"{TRANSFORMER} --share-decoder-input-output-embed",
    "transformer, normed before": f"{TRANSFORMER} --encoder-normalize-before "
    "--decoder-normalize-before --activation-fn gelu --share-all-embeddings",
    "transformer, learned positions": f"{TRANSFORMER} --encoder-learned-pos --decoder-learned-pos "
    "--layernorm-embedding --no-scale-embedding --decoder-output-dim 12",
    "transformer, no positions": f"{TRANSFORMER} --no-token-positional-embeddings "
    "--activation-fn tanh",
}


def options(beam=4, **changed):
    found = Options(beam, 1, 1, 1, 1, 2, 3, 2, 1.0, 0.0, 1.0)
    for name, value in changed.items():
        setattr(found, name, value)
    return found


def check_same(theirs, ours):
    """All hypotheses, in order: words, scores, attention."""
    assert len(theirs) == len(ours)
    for their_list, our_list in zip(theirs, ours):
        assert len(their_list) == len(our_list)
        for their, our in zip(their_list, our_list):
            assert their["tokens"].tolist() == our.tokens.tolist()
            np.testing.assert_allclose(our.score, float(their["score"]), atol=1e-4)
            np.testing.assert_allclose(
                our.positional_scores, their["positional_scores"].numpy(), atol=1e-4
            )
            if their["attention"].numel():
                weights = their["attention"].numpy().T
                weights = weights[:, weights.any(axis=0)]  # without padding, on either side
                np.testing.assert_allclose(our.attention, weights, atol=1e-4)


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def both(request, tmp_path_factory):
    """A model of fairseq's, and the same in the engine."""
    model, cfg = random_model(ARCHITECTURES[request.param])
    path = pack(model, cfg, str(tmp_path_factory.mktemp("model") / "model"))
    return model, in_engine(path, cfg)


def test_one_sentence_at_a_time(both):
    model, engine = both
    for sentence in sentences(6):
        theirs = fairseq_search(model, [sentence], beam_size=4, max_len_a=1, max_len_b=8)
        ours = engine.generate([sentence.numpy()], options(), [len(sentence) + 8])
        check_same(theirs, ours)


@pytest.mark.parametrize("size", [3, 21])
def test_batches(both, size):
    model, engine = both
    batch = sentences(size, seed=1)
    theirs = fairseq_search(model, batch, beam_size=4, max_len_b=12)
    check_same(theirs, engine.generate([s.numpy() for s in batch], options(), [12] * size))


@pytest.mark.parametrize("words", [OURS, TRANSFORMER])
@pytest.mark.parametrize("density", [0.3, 1.0])
def test_sparse_and_dense_matrices(words, density, tmp_path):
    """Which of both is used shows in the bytes: 5 a weight that is kept, or 4 of each."""
    model, cfg = random_model(words, seed=1, density=density)
    engine = in_engine(pack(model, cfg, str(tmp_path / "model")), cfg)
    # fairseq 0.12.2 has copies of an encoder layer's weights as well: in_proj_weight, fc1_weight
    named = {n: w for n, w in model.state_dict().items() if not n.endswith("_weight")}
    weights = sum(w.numel() for w in named.values() if w.dim() > 1)
    assert (engine.nbytes < 4 * weights) == (density < 1)
    batch = sentences(4, seed=6)
    theirs = fairseq_search(model, batch, beam_size=4, max_len_b=8)
    check_same(theirs, engine.generate([s.numpy() for s in batch], options(), [8] * 4))


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    model, cfg = random_model(OURS)
    return model, in_engine(pack(model, cfg, str(tmp_path_factory.mktemp("model") / "model")), cfg)


SEARCHES = {
    "greedy": ({"beam_size": 1}, {"beam": 1}),
    "wide": ({"beam_size": 20}, {"beam": 20}),
    "length penalty": ({"len_penalty": 0.3}, {"length_penalty": 0.3}),
    "long": ({"len_penalty": 2.5}, {"length_penalty": 2.5}),
    "not normalised": ({"normalize_scores": False}, {"normalize": 0}),
    "least length": ({"min_len": 7}, {"min_len": 7}),
    "unknown words": ({"unk_penalty": -8.0}, {"unknown_penalty": -8.0}),
    "no unknown words": ({"unk_penalty": 8.0}, {"unknown_penalty": 8.0}),
    "temperature": ({"temperature": 2.5}, {"temperature": 2.5}),
}


@pytest.mark.parametrize("name", list(SEARCHES))
def test_search_options(ours, name):
    model, engine = ours
    theirs_say, ours_say = SEARCHES[name]
    batch = sentences(7, seed=2)
    theirs = fairseq_search(model, batch, **{"beam_size": 4, "max_len_b": 10, **theirs_say})
    found = engine.generate([s.numpy() for s in batch], options(**ours_say), [10] * 7)
    check_same(theirs, found)


def test_no_words_at_all(ours):
    model, engine = ours
    batch = sentences(3, seed=3)
    theirs = fairseq_search(model, batch, beam_size=3, max_len_b=0, min_len=0)
    check_same(
        theirs, engine.generate([s.numpy() for s in batch], options(beam=3, min_len=0), [0] * 3)
    )


def test_prefixes(ours):
    model, engine = ours
    batch = sentences(4, seed=4)
    prefixes = [[9, 11, 3], [5], [], [7, 8]]
    padded = torch.full((4, 3), 1)
    for row, prefix in zip(padded, prefixes):
        row[: len(prefix)] = torch.tensor(prefix)
    theirs = fairseq_search(model, batch, prefix=padded, beam_size=4, max_len_b=9, min_len=5)
    found = engine.generate(
        [s.numpy() for s in batch], options(min_len=5), [9] * 4,
        [np.array(p, np.int32) for p in prefixes],
    )  # fmt: skip
    check_same(theirs, found)


@pytest.mark.parametrize("values", ["fp16", "int8"])
def test_values_in_fewer_bits(values, tmp_path, monkeypatch):
    """As fairseq with the same file unpacked: what the file rounds is rounded in both."""
    from fairseq_prune.checkpoints.packed.packed_model import PackedModel

    # multiplied as whole numbers, what lies dense is met by rounded vectors
    monkeypatch.setattr(stored, "DENSE_ABOVE_INT8", 1.5)
    model, cfg = random_model(LSTM + " --decoder-out-embed-dim 16")
    path = pack(model, cfg, str(tmp_path / "model"), values=values)
    model.load_state_dict(PackedModel(path).decode())
    batch = sentences(5, seed=5)
    theirs = fairseq_search(model, batch, beam_size=4, max_len_b=10)
    check_same(
        theirs,
        in_engine(path, cfg).generate([s.numpy() for s in batch], options(), [10] * 5),
    )
