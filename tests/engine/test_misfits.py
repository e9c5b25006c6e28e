"""Models whose parts do not fit together, and words that they do not have, are refused."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from engine.models import WORDS, in_engine, pack, random_model
from engine.test_generate import LSTM, OURS, TRANSFORMER, options

from fairseq_prune.engine.library import find_library
from fairseq_prune.pruning import PruneError

pytestmark = pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")

LSTM = f"{LSTM} --decoder-out-embed-dim 12"
FED = f"{OURS} --decoder-input-feed --lstm-bias"
LEARNED = f"{TRANSFORMER} --decoder-learned-pos --max-target-positions 5 --decoder-output-dim 12"


def in_engine_with(words, tmp_path, state):
    """A model of ``--arch`` in the engine, with other tensors where ``state`` has them (None: no
    such tensor)."""
    model, cfg = random_model(words)
    tensors = {name: t for name, t in {**model.state_dict(), **state}.items() if t is not None}
    changed = SimpleNamespace(state_dict=lambda: tensors)
    return in_engine(pack(changed, cfg, str(tmp_path / "model")), cfg)


@pytest.mark.parametrize("words, name, shape, said", [
    (OURS, "encoder.embed_tokens.weight", (WORDS, 20), "encoder.0.0.input has 24 columns"),
    (OURS, "encoder.lstm.weight_ih_l0", (92, 24), "encoder.0.0.input has 92 rows where 96"),
    (OURS, "encoder.lstm.weight_ih_l0", (95, 24), "four gates has 95 rows"),
    (OURS, "encoder.lstm.weight_hh_l1", (96, 28), "encoder.1.0.recurrent has 96 rows where 112"),
    (OURS, "decoder.lstm.weight_ih_l1", (96, 25), "decoder.1.input has 25 columns where 24"),
    (OURS, "decoder.embed_tokens.weight", None, "has no decoder.embed_tokens.weight"),
    (OURS, "decoder.embed_tokens.weight", (WORDS, 16), "decoder.0.input has 24 columns where 16"),
    (OURS, "decoder.embed_tokens.weight", (40, 24), f"softmax has {WORDS} rows where 40"),
    (OURS, "decoder.attention.output_proj.weight", (24, 47), "attention.output has 47 columns"),
    (OURS, "decoder.attention.output_proj.weight", (23, 48), "softmax has 24 columns where 23"),
    (OURS, "decoder.fc_out.weight", (WORDS + 4, 24), f"softmax has {WORDS + 4} rows"),
    (OURS, "decoder.fc_out.bias", (WORDS + 1,), f"softmax.bias has {WORDS + 1} numbers"),
    (OURS, "decoder.fc_out.bias", (WORDS, 1), "fc_out.bias is not as described"),
    (FED, "decoder.attention.output_proj.weight", (20, 48), "decoder.0.input has 48 columns"),
    (FED, "encoder.lstm.bias_ih_l0", (92,), "are of different lengths"),
    (LSTM, "decoder.attention.input_proj.weight", (15, 16), "attention.query has 15 rows"),
    (LSTM, "decoder.additional_fc.weight", (12, 17), "before_softmax has 17 columns where 16"),
    (LSTM, "decoder.additional_fc.bias", (11,), "before_softmax.bias has 11 numbers where 12"),
    (f"{LSTM} --encoder-bidirectional", "encoder.lstm.weight_hh_l0_reverse", (64, 15),
     "encoder.0.1.recurrent has 64 rows where 60"),
    (f"{LSTM} --encoder-bidirectional", "decoder.encoder_cell_proj.weight", (15, 32),
     "project_cell.bias has 16 numbers where 15"),
    (f"{LSTM} --encoder-bidirectional", "decoder.encoder_hidden_proj.weight", (16, 30),
     "project_hidden has 30 columns where 32"),
    (LEARNED, "encoder.layers.0.self_attn.q_proj.weight", (25, 24),
     "encoder.0.self.query.bias has 24 numbers where 25"),
    (LEARNED, "decoder.layers.1.encoder_attn.k_proj.weight", (24, 20),
     "decoder.1.cross.key has 20 columns where 24"),
    (LEARNED, "decoder.layers.0.self_attn.q_proj.weight", None, "no decoder.0.self.query"),
    (LEARNED, "encoder.layers.1.fc2.weight", (24, 41), "encoder.1.second has 41 columns where 40"),
    (LEARNED, "encoder.layers.1.fc1.bias", (39,), "encoder.1.first.bias has 39 numbers"),
    (LEARNED, "encoder.layers.0.final_layer_norm.weight", (23,), "norm.weight has 23 numbers"),
    (LEARNED, "encoder.layers.0.final_layer_norm.bias", None, "norm.bias has 0 numbers"),
    (LEARNED, "decoder.embed_positions.weight", (7, 20), "decoder.positions has 20 columns"),
    (LEARNED, "decoder.project_out_dim.weight", (12, 23), "decoder.project_out has 23 columns"),
])  # fmt: skip
def test_sizes(words, name, shape, said, tmp_path):
    state = {name: None if shape is None else torch.ones(shape)}
    with pytest.raises(PruneError) as error:
        in_engine_with(words, tmp_path, state)
    assert said in str(error.value) and str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    "words, lost, left",
    [
        (OURS, "decoder.lstm.weight_ih_l1", "decoder.lstm.weight_hh_l1"),
        (OURS, "encoder.lstm.weight_ih_l0", "encoder.lstm.weight_hh_l0"),
        (LEARNED, "decoder.layers.0.fc1.weight", "decoder.layers.0.encoder_attn.k_proj.bias"),
    ],
)
def test_what_belongs_to_no_part(words, lost, left, tmp_path):
    """A model with more than the engine multiplies by is another than it takes it for."""
    with pytest.raises(PruneError, match=f"does not know what {left} is for"):
        in_engine_with(words, tmp_path, {lost: None})


def test_a_weight_of_a_users_own(tmp_path):
    with pytest.raises(PruneError, match="does not know what decoder.gate is for"):
        in_engine_with(OURS, tmp_path, {"decoder.gate": torch.ones(3)})


def test_heads_that_do_not_divide_the_size(tmp_path):
    model, cfg = random_model(TRANSFORMER)
    path = pack(model, cfg, str(tmp_path / "model"))
    for heads in (5, 0, -1, 2**31, 10**400, None, "3"):
        cfg.model.encoder_attention_heads = heads
        with pytest.raises(PruneError, match="5 heads do not divide|--encoder-attention-heads"):
            in_engine(path, cfg)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    model, cfg = random_model(OURS)
    return in_engine(pack(model, cfg, str(tmp_path_factory.mktemp("model") / "model")), cfg)


SENTENCE = [np.array([5, 6, 2], np.int32)]


@pytest.mark.parametrize("sentence, longest, prefix, changed, said", [
    ([5, WORDS, 2], 9, [], {}, f"no word {WORDS} among the {WORDS} of the source"),
    ([-1, 2], 9, [], {}, "no word -1"),
    ([5, 2], 9, [4, WORDS], {}, f"no word {WORDS} among the {WORDS} of the target"),
    ([5, 2], 9, [-5], {}, "no word -5"),
    ([], 9, [], {}, "a length that cannot be"),
    ([5, 2], -1, [], {}, "a length that cannot be"),
    ([5, 2], 2**31 - 1, [], {}, "a length that cannot be"),
    ([5, 2], 9, [], {"beam": 0}, "follows no hypothesis"),
    ([5, 2], 9, [], {"eos": WORDS}, f"no word {WORDS}"),
    ([5, 2], 9, [], {"begin": -1}, "no word -1"),
])  # fmt: skip
def test_words_and_lengths(engine, sentence, longest, prefix, changed, said):
    sentence, prefix = np.array(sentence, np.int32), np.array(prefix, np.int32)
    with pytest.raises(PruneError, match=said):
        engine.generate([sentence], options(**changed), [longest], [prefix])
    assert engine.generate(SENTENCE, options(), [9])[0], "it works as before"


def test_more_hypotheses_than_there_are_numbers_for(engine):
    with pytest.raises(PruneError, match="translate fewer sentences at a time"):
        engine.generate(SENTENCE * 300_000, options(beam=2**30), [9] * 300_000)


def test_a_sentence_longer_than_the_positions(tmp_path):
    engine = in_engine_with(LEARNED, tmp_path, {})
    assert engine.generate(SENTENCE, options(min_len=1), [4])[0]
    with pytest.raises(PruneError, match="longer than the model's positions"):
        engine.generate(SENTENCE, options(min_len=20), [30])


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_weights_that_are_no_numbers(tmp_path, number):
    """Whatever it says then, it says it of words that there are."""
    state = {"decoder.fc_out.weight": torch.full((WORDS, 24), number)}
    state["decoder.fc_out.weight"][4:8] = 1
    engine = in_engine_with(OURS, tmp_path, state)
    for hypothesis in engine.generate(SENTENCE, options(beam=20), [9])[0]:
        assert all(0 <= word < WORDS for word in hypothesis.tokens)
