"""Where the weights start, what shares memory, and where dropout falls."""

import pytest
import torch

PAD = 1


@pytest.fixture
def make(build):
    def make(*flags, **kwargs):
        torch.manual_seed(0)
        return build("pruned_lstm_nmt", "--hidden-size", "16", *flags, **kwargs)

    return make


@pytest.mark.parametrize("flags, bound", [([], 0.1), (["--init-range", "0.03"], 0.03)])
@pytest.mark.parametrize("more", [[], ["--lstm-bias", "--decoder-input-feed"]])
def test_weights_start_uniform_within_the_range(make, flags, bound, more):
    for name, p in make(*flags, *more).named_parameters():
        rows = p[torch.arange(len(p)) != PAD] if "embed_tokens" in name else p
        assert 0.85 * bound < rows.abs().max() <= bound, name
        # of a uniform distribution: bound / sqrt(3), 0.577
        assert 0.5 * bound < rows.std() < 0.65 * bound, name
        assert abs(rows.mean()) < 0.15 * bound, name


@pytest.mark.parametrize("flags", [[], ["--share-all-embeddings"]])
def test_padding_embeds_to_zero_and_learns_nothing(make, flags):
    model = make(*flags, source=14)
    for side in (model.encoder, model.decoder):
        assert (side.embed_tokens.weight[PAD] == 0).all()
        assert side.embed_tokens.padding_idx == PAD
        assert (side.embed_tokens.weight[PAD + 1] != 0).all()


def test_there_is_no_bias_unless_asked_for(make):
    assert not [name for name, p in make().named_parameters() if "bias" in name or p.dim() < 2]
    biases = {name for name, _ in make("--lstm-bias").named_parameters() if "bias" in name}
    assert biases == {
        f"{side}.lstm.bias_{part}_l{k}"
        for side in ("encoder", "decoder")
        for part in ("ih", "hh")
        for k in (0, 1)
    }


def test_the_target_embedding_can_be_the_softmax(make):
    model = make("--share-decoder-input-output-embed")
    assert not any("fc_out" in name for name in model.state_dict())
    assert model.encoder.embed_tokens.weight is not model.decoder.embed_tokens.weight
    features = torch.randn(2, 3, 16)
    expected = features @ model.decoder.embed_tokens.weight.t()
    torch.testing.assert_close(model.decoder.output_layer(features), expected)


def test_one_table_can_be_all_three(make):
    model = make("--share-all-embeddings", source=14)
    assert model.encoder.embed_tokens.weight is model.decoder.embed_tokens.weight
    features = torch.randn(2, 3, 16)
    expected = features @ model.encoder.embed_tokens.weight.t()
    torch.testing.assert_close(model.decoder.output_layer(features), expected)


def test_one_table_needs_one_dictionary(make):
    with pytest.raises(SystemExit, match="--share-all-embeddings.*--joined-dictionary"):
        make("--share-all-embeddings", source=12, target=14)


def recurrence(lstm, layer, h, c):
    """One step of a layer whose vertical input is zero: biases and recurrent weights alone."""
    w = {name: p.detach() for name, p in lstm.named_parameters()}
    z = w[f"weight_hh_l{layer}"] @ h + w[f"bias_hh_l{layer}"] + w[f"bias_ih_l{layer}"]
    i, f, g, o = z.chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@pytest.mark.parametrize("feed", [[], ["--decoder-input-feed"]], ids=["fused", "by step"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_dropout_falls_on_every_vertical_connection_and_on_no_other(make, feed, layers):
    """With dropout 1 what is left is what runs along time and from encoder to decoder.

    Only the top layer can be seen from outside, so each depth tells of one connection.
    """
    model = make("--lstm-bias", "--dropout", "1.0", "--num-layers", str(layers), *feed).train()
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, -1, 1)
    source, target = torch.tensor([[5, 6, 7, 2]]), torch.tensor([[2, 8, 9]])
    state = [(torch.zeros(16), torch.zeros(16)) for _ in range(layers)]
    memory = []
    for _ in range(4):
        state = [recurrence(model.encoder.lstm, k, h, c) for k, (h, c) in enumerate(state)]
        memory.insert(0, state[-1][0])  # read backwards, kept in source order
    encoded = model.encoder(source)
    torch.testing.assert_close(encoded["hidden"][0][:, 0], torch.stack([h for h, _ in state]))
    torch.testing.assert_close(encoded["cell"][0][:, 0], torch.stack([c for _, c in state]))
    torch.testing.assert_close(encoded["memory"][0][0], torch.stack(memory))
    scores, extra = model.decoder(target, encoded)
    assert (scores == 0).all()
    for t in range(3):
        state = [recurrence(model.decoder.lstm, k, h, c) for k, (h, c) in enumerate(state)]
        expected = torch.softmax(torch.stack(memory) @ state[-1][0], dim=0)
        torch.testing.assert_close(extra["attn"][0][0, t], expected)


@pytest.mark.parametrize("layers", [1, 2])
def test_the_rate_of_dropout_is_the_option_and_is_off_in_evaluation(make, layers):
    model = make("--dropout", "0.35", "--num-layers", str(layers))
    for side in (model.encoder, model.decoder):
        assert side.dropout.p == 0.35
        # torch warns of dropout in an LSTM that has nothing between layers
        assert side.lstm.dropout == (0.35 if layers > 1 else 0.0)
    model.eval()
    batch = torch.tensor([[5, 2]]), torch.tensor([2]), torch.tensor([[2, 5]])
    assert torch.equal(model(*batch)[0], model(*batch)[0])


@pytest.mark.parametrize("feed", [[], ["--decoder-input-feed"]], ids=["fused", "by step"])
def test_dropout_keeps_the_expected_scores(make, feed):
    model = make("--dropout", "0.2", "--num-layers", "1", *feed)
    batch = torch.tensor([[5, 6, 2]]), torch.tensor([3]), torch.tensor([[2, 5]])
    many = [tensor.repeat(4000, *[1] * (tensor.dim() - 1)) for tensor in batch]
    with torch.no_grad():
        mean = model.train()(*many)[0].mean(0)
        still = model.eval()(*batch)[0][0]
    # weights this small make the model almost linear, so its mean output barely moves
    torch.testing.assert_close(mean, still, rtol=0, atol=0.05 * float(still.abs().max()))


def test_positions_are_limited_by_the_task(make):
    model = make("--max-source-positions", "77", "--max-target-positions", "88")
    assert model.max_positions() == (77, 88)
