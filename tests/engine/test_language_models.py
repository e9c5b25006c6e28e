"""The engine scores text as fairseq's SequenceScorer does, with fairseq's own models."""

import numpy as np
import pytest
import torch
from engine.models import (
    WORDS,
    Task,
    fairseq_scores,
    in_engine,
    its_dictionary,
    pack,
    random_model,
    sentences,
)
from engine.test_generate import check_same, options
from fairseq.sequence_generator import SequenceGenerator

from fairseq_prune.engine import LanguageModel, Translator, stored
from fairseq_prune.engine.architectures import parts_of
from fairseq_prune.engine.library import find_library
from fairseq_prune.pruning import PruneError
from fairseq_prune.runtime.generator import settings_of, use_engine_

pytestmark = pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")

TASK = "--task language_modeling --tokens-per-sample 24"
OURS = f"{TASK} --arch pruned_lstm_lm --hidden-size 20 --num-layers 2"
LSTM = (
    f"{TASK} --arch lstm_lm --decoder-embed-dim 12 --decoder-hidden-size 16 --decoder-layers 2 "
    "--decoder-out-embed-dim 12"
)
TRANSFORMER = (
    f"{TASK} --arch transformer_lm --decoder-layers 2 --decoder-embed-dim 24 "
    "--decoder-ffn-embed-dim 36 --decoder-attention-heads 4"
)
TIED = "--share-decoder-input-output-embed"
ARCHITECTURES = {
    "ours": OURS,
    "ours, tied": f"{OURS} {TIED}",
    "fairseq's lstm_lm": LSTM,
    "fairseq's lstm_lm, tied": f"{LSTM} {TIED}",
    "transformer": TRANSFORMER,
    "transformer, tied, learned positions": f"{TRANSFORMER} {TIED} --decoder-learned-pos "
    "--activation-fn gelu --layernorm-embedding --no-scale-embedding",
    "transformer, projected": f"{TRANSFORMER} --decoder-input-dim 10 --decoder-output-dim 14 "
    "--no-decoder-final-norm --no-token-positional-embeddings",
}

#: Scores of single precision, which these models' large scores before the softmax blur.
CLOSE = {"atol": 1e-4, "rtol": 1e-4}


def texts(count, seed=0):
    """Sentences of several lengths, after </s>."""
    return [torch.cat((torch.tensor([2]), s)) for s in sentences(count, seed, longest=20)]


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def both(request, tmp_path_factory):
    """A model of fairseq's, the same in the engine, and its architecture's name and options."""
    model, cfg = random_model(ARCHITECTURES[request.param])
    path = pack(model, cfg, str(tmp_path_factory.mktemp("model") / "model"))
    return model, in_engine(path, cfg), settings_of(cfg.model)


@pytest.mark.parametrize("count", [1, 3, 21])
def test_scores(both, count):
    model, engine, _ = both
    batch = texts(count)
    found, _, _ = engine.score([text.numpy() for text in batch])
    assert [len(scores) for scores in found] == [len(text) - 1 for text in batch]
    for their, our in zip(fairseq_scores(model, batch), found):
        np.testing.assert_allclose(our, their, **CLOSE)


def test_next_words(both):
    """Beside the scores of the words that are there; in the order of fairseq's probabilities."""
    model, engine, _ = both
    batch = [text[:-1] for text in texts(10, seed=1)] + [torch.tensor([2])]
    scores, words, found = engine.score([text.numpy() for text in batch], 5)
    for k, text in enumerate(batch):
        with torch.no_grad():
            logits = model(text[None], src_lengths=torch.tensor([len(text)]))[0][0]
        every = logits.log_softmax(-1)
        np.testing.assert_allclose(scores[k], every[:-1].gather(1, text[1:, None])[:, 0], **CLOSE)
        every[-1, 1] = -float("inf")  # the padding comes never
        best, which = every[-1].topk(5)
        assert words[k].tolist() == which.tolist()
        np.testing.assert_allclose(found[k], best, **CLOSE)


def test_all_words_may_be_next(both):
    _, engine, _ = both
    _, words, scores = engine.score([[2, 9, 7]], WORDS - 1)
    assert sorted(words[0]) == [w for w in range(WORDS) if w != 1]
    assert 0.5 < np.exp(scores).sum() <= 1 + 1e-5


def test_text_that_goes_on_from_a_beginning(both):
    """Beam search, as fairseq-generate has it for this task: the prefix belongs to the text."""
    model, engine, settings = both
    prefix = torch.tensor([[9, 11, 3], [5, 8, 13]])
    generator = SequenceGenerator([model], Task().target_dictionary, beam_size=4, max_len_b=9)
    sample = {"net_input": {"src_tokens": prefix, "src_lengths": torch.tensor([3, 3])}}
    with torch.no_grad():
        theirs = generator.generate([model], sample, prefix_tokens=prefix, bos_token=2)
    empty = [np.empty(0, np.int32)] * 2
    check_same(theirs, engine.generate(empty, options(), [9, 9], list(prefix.numpy())))
    # and as fairseq-generate asks the engine
    model.engine_settings = settings
    assert use_engine_(generator, [model])
    again = generator.generate([model], sample, prefix_tokens=prefix, bos_token=2)
    for their, our in zip(sum(theirs, []), sum(again, [])):
        assert their.keys() == our.keys() and their["attention"].shape == our["attention"].shape
        assert their["tokens"].tolist() == our["tokens"].tolist()


def test_numbers_that_the_model_does_not_have(both):
    _, engine, _ = both
    for numbers, count in (([[2, WORDS]], 0), ([[2, -1]], 0), ([[], [2, 5]], 0), ([[2]], WORDS)):
        with pytest.raises(PruneError, match="no word|length|next words"):
            engine.score(numbers, count)
    with pytest.raises(PruneError, match="length"):
        engine.generate([[4, 2]], options(), [9])


@pytest.mark.parametrize("words", [OURS, TRANSFORMER])
def test_values_in_fewer_bits(words, tmp_path, monkeypatch):
    """As fairseq with the same file unpacked."""
    from fairseq_prune.checkpoints.packed.packed_model import PackedModel

    # multiplied as whole numbers, what lies dense is met by rounded vectors
    monkeypatch.setattr(stored, "DENSE_ABOVE_INT8", 1.5)
    model, cfg = random_model(words)
    path = pack(model, cfg, str(tmp_path / "model"), values="int8")
    model.load_state_dict(PackedModel(path).decode())
    batch = texts(9, seed=2)
    found, _, _ = in_engine(path, cfg).score([text.numpy() for text in batch])
    for their, our in zip(fairseq_scores(model, batch), found):
        np.testing.assert_allclose(our, their, **CLOSE)


LINES = ["w3 w1 w4 w1 w5", "", "w9 unheard-of w2", " ".join(["w6"] * 22)]
NUMBERS = [[7, 5, 8, 5, 9], [], [13, 3, 6], [10] * 22]


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    model, cfg = random_model(TRANSFORMER)
    path = str(tmp_path_factory.mktemp("model") / "model")
    return model, LanguageModel(pack(model, cfg, path, texts=its_dictionary()))


def test_lines(transformer):
    """Each after </s> and with </s>, unknown words as <unk>."""
    model, ours = transformer
    theirs = fairseq_scores(model, [torch.tensor([2, *line, 2]) for line in NUMBERS])
    for their, our in zip(theirs, ours.scores(LINES)):
        np.testing.assert_allclose(our, their, **CLOSE)
    every = np.concatenate(theirs)
    for size in (1, 3, 32):
        score = ours.score(iter(f"{line}\n" for line in LINES), batch_size=size)
        assert score.words == every.size == 34
        assert score.loss == pytest.approx(-every.mean() / np.log(2), abs=1e-4)
        assert score.perplexity == pytest.approx(np.exp(-every.mean()), rel=1e-4)
    assert ours.perplexity(LINES) == score.perplexity


@pytest.mark.parametrize("size", [1, 7, 24])
def test_blocks(transformer, size):
    """Across lines; each after the word before it."""
    model, ours = transformer
    stream = [2, *(n for line in NUMBERS for n in (*line, 2))]
    blocks = [stream[at : at + size + 1] for at in range(0, len(stream) - 1, size)]
    every = np.concatenate(fairseq_scores(model, list(map(torch.tensor, blocks))))
    score = ours.score(LINES, tokens_per_sample=size, batch_size=2)
    assert score.words == every.size == 34
    assert score.loss == pytest.approx(-every.mean() / np.log(2), abs=1e-4)


def test_next_words_of_a_line(transformer):
    model, ours = transformer
    with torch.no_grad():
        probabilities = model(torch.tensor([[2, 7, 5]]))[0][0, -1].softmax(-1)
    expected = sorted(
        ((word, p) for word, p in zip(Task().dictionary.symbols, probabilities.tolist())),
        key=lambda item: -item[1],
    )[:3]
    found = ours.next_words(" w3  w1", 3)
    assert [word for word, _ in found] == [word for word, _ in expected]
    np.testing.assert_allclose([p for _, p in found], [p for _, p in expected], rtol=1e-3)


@pytest.mark.parametrize("ask, said", [
    (lambda m: m.perplexity([]), "there is no text"),
    (lambda m: m.perplexity(["w1 " * 24]), "reads 24 words or pieces of words at a time"),
    (lambda m: m.score(["w1"], tokens_per_sample=25).words, None),
    (lambda m: m.score(["w1 " * 30], tokens_per_sample=25), "by tokens_per_sample 24"),
    (lambda m: m.score(["w1"], tokens_per_sample=0), "tokens_per_sample 0: give 1 or more"),
    (lambda m: m.next_words("w1 " * 24, 1), "reads 24 words"),
    (lambda m: len(m.next_words("w1 " * 23, 59)), None),
    (lambda m: m.next_words("w1", 60), "next 60: give 1 to 59"),
    (lambda m: m.next_words("w1", 0), "next 0: give 1 to 59"),
])  # fmt: skip
def test_too_much_or_too_little(transformer, ask, said):
    if said is None:
        assert ask(transformer[1])
        return
    with pytest.raises(PruneError, match=said):
        ask(transformer[1])


def test_one_line_is_no_list(transformer):
    for ask in (transformer[1].perplexity, transformer[1].scores):
        with pytest.raises(TypeError, match="give a list of lines"):
            ask("w1 w2")


@pytest.mark.parametrize("more, said", [
    ("--adaptive-softmax-cutoff 20,40 --criterion adaptive_loss", "no adaptive softmax"),
    ("--adaptive-input --adaptive-input-cutoff 20,40", "no --adaptive-input"),
    ("--character-embeddings", "no --character-embeddings"),
    ("--scale-attn", "no --scale-attn"),
    ("--activation-fn linear", "no --activation-fn linear"),
])  # fmt: skip
def test_models_it_cannot_do(more, said):
    model, cfg = random_model(f"{TRANSFORMER} {more}")
    with pytest.raises(PruneError, match=said):
        parts_of("transformer_lm", cfg.model, set(model.state_dict()))


def refused(words, tmp_path, read, dictionary=WORDS):
    model, cfg = random_model(words)
    path = pack(model, cfg, str(tmp_path / "model"), texts=its_dictionary(dictionary))
    with pytest.raises(PruneError) as error:
        read(path).perplexity(["w58"])
    return str(error.value)


FACTORIZED = "--factorization low-rank --softmax-rank 3"


@pytest.mark.parametrize("words, read, said", [
    (f"{OURS} {FACTORIZED}", LanguageModel, "no --factorization low-rank"),
    (f"{OURS} --add-bos-token", LanguageModel, "trained with --add-bos-token"),
    (f"{OURS} --output-dictionary-size 20", LanguageModel, "with --output-dictionary-size"),
    ("--arch pruned_lstm_nmt --hidden-size 8", LanguageModel,
     "is no language model that the engine knows, but of architecture pruned_lstm_nmt; see"),
    (OURS, Translator, "is a language model, which does not translate; see"),
])  # fmt: skip
def test_files_it_does_not_take(words, read, said, tmp_path):
    assert said in refused(words, tmp_path, read)


def test_a_dictionary_of_another_model(tmp_path):
    said = refused(OURS, tmp_path, LanguageModel, dictionary=WORDS + 10)
    assert "damaged: its target dictionary has 70 words and its model 60" in said
