"""What goes into layers, against what modules' own hooks see; scores against their equations."""

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.modules import MultiheadAttention

from fairseq_prune.models.lstm_decoder import PrunedLSTMDecoder
from fairseq_prune.models.lstm_encoder import PrunedLSTMEncoder
from fairseq_prune.pruning import SCORES, Inputs, scores_of


class Translator(torch.nn.Module):
    """Two layers of 6, in evaluation mode; a sentence of 5 words and one of 3."""

    def __init__(self, **options):
        super().__init__()
        words = Dictionary()
        for k in range(8):
            words.add_symbol(f"w{k}")
        torch.manual_seed(0)
        self.encoder = PrunedLSTMEncoder(words, 6, 2, 0.0, init_range=0.5)
        self.decoder = PrunedLSTMDecoder(words, 6, 2, 0.0, init_range=0.5, **options)
        pad = words.pad()
        self.source = torch.tensor([[4, 5, 6, 7, 8], [pad, pad, 9, 4, 4]])
        self.target = torch.tensor([[4, 7, 6], [9, 5, pad]])
        self.pad = pad

    def loss(self):
        scores, _ = self.decoder(self.target, self.encoder(self.source))
        flat = self.target.roll(1, 1).reshape(-1)
        return torch.nn.functional.cross_entropy(scores.flatten(0, 1), flat, ignore_index=self.pad)


def inputs_by_hooks(model):
    """Of some layers: what torch's own hooks see of them, at words that are no padding."""
    seen = {}

    def keep(name):
        return lambda module, args, output: seen.setdefault(name, []).append((args, output))

    for name, module in model.named_modules():
        module.register_forward_hook(keep(name))
    model.loss()
    embedded = model.encoder.embed_tokens(model.source[model.source != model.pad])
    packed = seen["encoder.lstm"][0][1][0]
    above, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed)
    before = [above[: length - 1, k] for k, length in enumerate(lengths.tolist())]
    kept = model.target.roll(1, 1) != model.pad
    # with input feeding, the step after looks at what comes of a position without a loss
    fed = torch.ones_like(kept) if model.decoder.input_feed else kept
    return {
        "encoder.lstm.weight_ih_l0": embedded,
        # the hidden state that each step starts from, the first being zero
        "encoder.lstm.weight_hh_l1": torch.cat(before),
        "decoder.attention.output_proj.weight": torch.cat(
            [args[0] for args, _ in seen["decoder.attention.output_proj"]], dim=1
        )[fed],
        "decoder.fc_out.weight": seen["decoder.fc_out"][0][0][0][kept],
    }


@pytest.mark.parametrize("input_feed", [False, True])
def test_the_products_are_of_what_goes_in(own_scores, input_feed):
    model = Translator(input_feed=input_feed)
    named = dict(model.named_parameters())
    statistic = own_scores.LayerInputs()
    with statistic.watching(named):
        loss = model.loss()
        loss.backward()
    found = {name: parameter.grad.clone() for name, parameter in named.items()}
    statistic.add(found)
    statistic = own_scores.moments_of(named, statistic.mean())
    assert statistic.keys() == named.keys()
    model.zero_grad()
    plain = model.loss()
    plain.backward()
    assert torch.allclose(loss, plain)
    assert all(torch.allclose(found[n], p.grad, atol=1e-6) for n, p in named.items())
    for name, x in inputs_by_hooks(model).items():
        assert torch.allclose(statistic[name].products, x.t() @ x, atol=1e-5), name
        assert not statistic[name].counts.any()
    # as a linear map of words spelled with ones and zeros
    words = model.source[model.source != model.pad]
    x = torch.nn.functional.one_hot(words, len(named["encoder.embed_tokens.weight"])).float()
    found = statistic["encoder.embed_tokens.weight"]
    assert torch.equal(torch.diag(found.counts), x.t() @ x) and not found.products.any()


# static: as fairseq's decoder looks at the source, in other code of fairseq's
@pytest.mark.parametrize("causal, static", [(False, False), (True, False), (False, True)])
def test_the_products_are_of_what_goes_into_attention(own_scores, causal, static):
    torch.manual_seed(0)
    attend = MultiheadAttention(8, 2, self_attention=causal, encoder_decoder_attention=not causal)
    attend.eval()
    torch.nn.init.normal_(attend.q_proj.bias)
    query = torch.randn(4, 2, 8)
    source = query if causal else torch.randn(5, 2, 8)
    padding = torch.zeros(2, len(source), dtype=torch.bool)
    padding[1, -1] = True
    masks = {
        "key_padding_mask": padding,
        "attn_mask": torch.full((4, 4), -torch.inf).triu(1) if causal else None,
    }
    named = dict(attend.named_parameters())
    of_output = torch.randn(4, 2, 8)

    def run():
        attend.zero_grad()
        output, weights = attend(query, source, source, static_kv=static, **masks)
        (output * of_output).sum().backward()
        return output, weights, {name: p.grad.clone() for name, p in named.items()}

    plain = run()
    statistic = own_scores.LayerInputs()
    with statistic.watching(named):
        output, weights, gradients = run()
    statistic.add({name: g for name, g in gradients.items() if name.endswith("weight")})
    found = own_scores.moments_of(named, statistic.mean())
    assert torch.allclose(output, plain[0], atol=1e-6)
    assert torch.allclose(weights, plain[1], atol=1e-6)
    assert all(torch.allclose(g, plain[2][name], atol=1e-5) for name, g in gradients.items())
    # what comes out where the last map changes nothing is what goes into it
    with torch.no_grad():
        attend.out_proj.weight.copy_(torch.eye(8))
        attend.out_proj.bias.zero_()
        mixed = attend(query, source, source, **masks)[0]
    real = source.transpose(0, 1)[~padding]
    # the first of the causal ones has one place to look at, whatever its query is
    queries = query[1:] if causal else query
    expected = {"q_proj": queries.flatten(0, 1), "k_proj": real, "v_proj": real}
    for name, x in {**expected, "out_proj": mixed.flatten(0, 1)}.items():
        assert torch.allclose(found[f"{name}.weight"].products, x.t() @ x, atol=1e-4), name


def test_the_scores_are_their_equations(own_scores):
    generator = torch.Generator().manual_seed(1)
    x, w = (torch.randn(n, 7, generator=generator) for n in (40, 3))
    statistic = torch.cat([(x.t() @ x).flatten(), torch.zeros(3)])
    inputs = Inputs({"w": w}, {"w": "c"}, {}, {"w": statistic})
    found = scores_of(SCORES["wanda"].scorers(inputs)["w"], w)
    assert torch.allclose(found, w.abs() * x.norm(dim=0))
    damped = x.t() @ x + 0.01 * x.square().sum() / 7 * torch.eye(7)
    found = scores_of(SCORES["layerwise"].scorers(inputs)["w"], w)
    lost = w.square() / torch.linalg.inv(damped).diagonal()
    assert torch.allclose(found, lost.sqrt(), rtol=1e-3)
    mask = torch.rand(3, 7, generator=generator) > 0.5
    kept = SCORES["layerwise"].update(inputs._replace(masks={"w": mask}))["w"]
    for row, keep, new in zip(w, mask, kept):
        # least squares for what the row gives, as far as damping lets it
        a = torch.cat([x[:, keep], (damped - x.t() @ x).sqrt()[keep][:, keep]])
        b = torch.cat([x @ row, (damped - x.t() @ x).sqrt()[keep][:, keep] @ row[keep]])
        expected = torch.linalg.lstsq(a, b.unsqueeze(1)).solution.squeeze(1)
        assert torch.allclose(new[keep], expected, atol=1e-3) and not new[~keep].any()


def test_an_embedding_is_a_linear_map_of_one_word_at_a_time(own_scores):
    """The scores of its rows, and of one that is the softmax too."""
    generator = torch.Generator().manual_seed(1)
    words, w = torch.tensor([0, 0, 0, 2, 1, 0]), torch.randn(4, 5, generator=generator)
    one_hot = torch.nn.functional.one_hot(words, 4).float()
    counts = (one_hot.t() @ one_hot).diagonal()
    x = torch.randn(9, 5, generator=generator)
    for products in (torch.zeros(5, 5), x.t() @ x):
        statistic = torch.cat([products.flatten(), counts])
        inputs = Inputs({"w": w}, {"w": "c"}, {}, {"w": statistic})
        diagonals = products.diagonal() + counts.unsqueeze(1)
        found = scores_of(SCORES["wanda"].scorers(inputs)["w"], w)
        assert torch.allclose(found, w.abs() * diagonals.sqrt())
        found = scores_of(SCORES["layerwise"].scorers(inputs)["w"], w)
        for row, count in enumerate(counts):
            damped = products + (count + 0.01 * diagonals.mean()) * torch.eye(5)
            lost = w[row].square() / torch.linalg.inv(damped).diagonal()
            assert torch.allclose(found[row], lost.sqrt(), rtol=1e-3)
        mask = torch.rand(4, 5, generator=generator) > 0.4
        kept = SCORES["layerwise"].update(inputs._replace(masks={"w": mask}))["w"]
        if not products.any():  # nothing makes up for a word's own numbers
            assert torch.equal(kept, w * mask)
