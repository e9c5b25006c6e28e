"""The model against equations (2) to (4) of See et al. 2016 and the attention of Luong et al.
2015, written out below sentence by sentence and word by word."""

import pytest
import torch
from sentences import SOURCES, TARGETS, VARIANTS, pad

every_variant = pytest.mark.parametrize("flags", VARIANTS.values(), ids=VARIANTS.keys())
CLOSE = dict(rtol=0, atol=2e-6)  # the model's attention is a softmax in fp32


class Equations:
    """One sentence at a time, from the tensors of a state dict."""

    def __init__(self, model):
        self.w = model.state_dict()
        self.layers = model.encoder.lstm.num_layers
        self.feeds = model.decoder.input_feed

    def lstm(self, side, layer, x, h, c):
        def affine(part, v):
            name = f"{side}.lstm.{{}}_{part}_l{layer}"
            bias = self.w.get(name.format("bias"), 0.0)
            return self.w[name.format("weight")] @ v + bias

        # torch keeps the rows of T in the order i, f, h^, o
        i, f, signal, o = (affine("ih", x) + affine("hh", h)).chunk(4)
        c = sigmoid(f) * c + sigmoid(i) * torch.tanh(signal)
        return sigmoid(o) * torch.tanh(c), c

    def stack(self, side, x, state):
        for layer, (h, c) in enumerate(state):
            state[layer] = self.lstm(side, layer, x, h, c)
            x = state[layer][0]
        return x

    def encode(self, source):
        n = self.w["encoder.embed_tokens.weight"].size(1)
        zero = torch.zeros(n, dtype=torch.float64)
        state, top = [(zero, zero)] * self.layers, {}
        for position in reversed(range(len(source))):
            x = self.w["encoder.embed_tokens.weight"][source[position]]
            top[position] = self.stack("encoder", x, state)
        return [top[position] for position in range(len(source))], state

    def attend(self, h, memory):
        project = self.w.get("decoder.attention.output_proj.weight")
        if project is None:
            return h, None
        exponents = [torch.exp(h @ m) for m in memory]
        a = [e / sum(exponents) for e in exponents]
        c = sum(a_s * m for a_s, m in zip(a, memory))
        return torch.tanh(project @ torch.cat((c, h))), torch.stack(a)

    def decode(self, source, target):
        """Scores (T, V), and attention over the source as it was written (T, S)."""
        memory, state = self.encode(source)
        embedding = self.w["decoder.embed_tokens.weight"]
        softmax = self.w.get("decoder.fc_out.weight", embedding)
        feed, scores, attention = torch.zeros_like(memory[0]), [], []
        for word in target:
            x = torch.cat((embedding[word], feed)) if self.feeds else embedding[word]
            feed, a = self.attend(self.stack("decoder", x, state), memory)
            scores.append(softmax @ feed)
            attention.append(a)
        return torch.stack(scores), attention


def sigmoid(x):
    return 1 / (1 + torch.exp(-x))


@pytest.fixture
def make(build):
    def make(flags):
        torch.manual_seed(0)
        model = build("pruned_lstm_nmt", "--hidden-size", "6", "--dropout", "0.3", *flags)
        for parameter in model.parameters():  # wide enough for the nonlinearities to show
            torch.nn.init.uniform_(parameter, -1, 1)
        return model.double().eval()

    return make


def run(model, sources, targets, left=True):
    tokens = pad(sources, left)
    lengths = torch.tensor([len(s) for s in sources])
    with torch.no_grad():
        return model(tokens, lengths, torch.tensor(targets))


@every_variant
@pytest.mark.parametrize("left", [True, False], ids=["left-padded", "right-padded"])
def test_the_model_is_the_equations(make, flags, left):
    model = make(flags)
    scores, extra = run(model, SOURCES, TARGETS, left)
    assert scores.shape == (4, 5, 14)
    attention, width = extra["attn"][0], len(SOURCES[0])
    for row, (source, target) in enumerate(zip(SOURCES, TARGETS)):
        expected, weights = Equations(model).decode(source, target)
        torch.testing.assert_close(scores[row], expected, **CLOSE)
        if weights[0] is None:
            assert attention is None
            continue
        real = slice(width - len(source), None) if left else slice(len(source))
        torch.testing.assert_close(attention[row][:, real], torch.stack(weights), **CLOSE)
        beside = torch.ones(width, dtype=torch.bool)
        beside[real] = False
        assert (attention[row][:, beside] == 0).all()


@every_variant
def test_the_decoder_starts_from_the_states_of_the_encoder_layer_by_layer(make, flags):
    model = make(flags)
    out = model.encoder(pad(SOURCES, left=True))
    for row, source in enumerate(SOURCES):
        _, state = Equations(model).encode(source)
        torch.testing.assert_close(out["hidden"][0][:, row], torch.stack([h for h, _ in state]))
        torch.testing.assert_close(out["cell"][0][:, row], torch.stack([c for _, c in state]))


@every_variant
def test_one_word_at_a_time_gives_the_scores_of_teacher_forcing(make, flags):
    model = make(flags)
    expected, extra = run(model, SOURCES, TARGETS)
    targets, cache = torch.tensor(TARGETS), {}
    with torch.no_grad():
        encoded = model.encoder(pad(SOURCES, left=True))
        for t in range(5):
            scores, now = model.decoder(targets[:, : t + 1], encoded, incremental_state=cache)
            torch.testing.assert_close(scores[:, 0], expected[:, t], **CLOSE)
            if extra["attn"][0] is not None:
                torch.testing.assert_close(now["attn"][0][:, 0], extra["attn"][0][:, t], **CLOSE)


@every_variant
def test_hypotheses_can_be_reordered_on_the_way(make, flags):
    model, order = make(flags), torch.tensor([2, 0, 0, 1])
    before, after = [t[:2] for t in TARGETS], [[4, 9], [5, 5], [12, 8], [7, 6]]
    cache = {}
    with torch.no_grad():
        encoded = model.encoder(pad(SOURCES, left=True))
        model.decoder.reorder_incremental_state_scripting(cache, torch.tensor([2, 1, 0, 3]))
        for t in range(2):
            model.decoder(torch.tensor(before)[:, : t + 1], encoded, incremental_state=cache)
        model.decoder.reorder_incremental_state_scripting(cache, order)
        encoded = model.encoder.reorder_encoder_out(encoded, order)
        targets = torch.tensor([before[o] + words for o, words in zip(order, after)])
        last = [model.decoder(targets[:, :t], encoded, incremental_state=cache)[0] for t in (3, 4)]
    expected, _ = run(model, [SOURCES[o] for o in order], targets.tolist())
    torch.testing.assert_close(torch.cat(last, dim=1), expected[:, 2:], **CLOSE)


@every_variant
@pytest.mark.parametrize("incremental", [False, True], ids=["teacher forcing", "word by word"])
def test_sentences_can_be_reordered_before_the_first_word(make, flags, incremental):
    """Beam search copies each sentence of the batch once for each hypothesis, then begins."""
    model, order = make(flags), torch.tensor([2, 0, 0, 3, 1])
    targets = torch.tensor([TARGETS[3], TARGETS[1], TARGETS[0], TARGETS[2], TARGETS[1]])
    with torch.no_grad():
        encoded = model.encoder(pad(SOURCES, left=True))
        encoded = model.encoder.reorder_encoder_out(encoded, order)
        cache = {} if incremental else None
        steps = range(1, 6) if incremental else [5]
        scores = [model.decoder(targets[:, :t], encoded, incremental_state=cache)[0] for t in steps]
    expected, _ = run(model, [SOURCES[o] for o in order], targets.tolist())
    torch.testing.assert_close(torch.cat(scores, dim=1), expected, **CLOSE)
