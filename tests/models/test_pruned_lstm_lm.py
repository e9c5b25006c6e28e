"""``pruned_lstm_lm``, beside torch's own modules put together by hand."""

import pytest
import torch
from fairseq import options
from torch import nn
from torch.nn import functional as F

from fairseq_prune.factorization import LowRank, TensorTrain
from fairseq_prune.models.factorized_lstm import FactorizedLSTM
from fairseq_prune.models.stepped_lstm import run_steps
from fairseq_prune.parameters.weight_classes import fairseq_classes

LM = {"task": "language_modeling", "source": 40, "target": 40}
FACTORIZED = [
    ("low-rank", "--lstm-rank", "6", "--softmax-rank", "5", "--embedding-rank", "4"),
    ("tensor-train", "--lstm-rank", "6", "--softmax-rank", "5"),
    ("low-rank", "--softmax-rank", "5"),
]


def words(batch, length, seed=0):
    return torch.randint(4, 40, (batch, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("tied", [False, True])
def test_scores_are_those_of_torchs_modules(build, tied):
    flags = ["--share-decoder-input-output-embed"] if tied else []
    model = build("pruned_lstm_lm_tiny", *flags, **LM).eval()
    state = model.state_dict()
    lstm = nn.LSTM(32, 32, 2)
    lstm.load_state_dict({n.split(".")[-1]: w for n, w in state.items() if ".lstm." in n})
    embedding = state["decoder.embed_tokens.weight"]
    out = embedding if tied else state["decoder.fc_out.weight"]
    bias = 0 if tied else state["decoder.fc_out.bias"]
    read = words(3, 7)
    expected = lstm(embedding[read].transpose(0, 1))[0].transpose(0, 1) @ out.T + bias
    assert torch.allclose(model(read)[0], expected, atol=1e-5)


def test_sizes_are_zarembas(build):
    """2 x 200 and 10,000 words: 4.65 M parameters (4.64 M in Grachev et al. 2017, table 1)."""
    model = build("pruned_lstm_lm_small", task="language_modeling", source=10000, target=10000)
    count = sum(p.numel() for p in model.parameters())
    # torch's LSTM has two biases
    assert count == 2 * 2_000_000 + 10_000 + 2 * (2 * 200 * 800 + 2 * 800)
    assert float(model.decoder.fc_out.weight.abs().max()) <= 0.1
    assert set(fairseq_classes(model.state_dict()).values()) == {
        "target embedding", "target layer 1", "target layer 2", "softmax",
    }  # fmt: skip


@pytest.mark.parametrize("flags", [(), *FACTORIZED])
def test_word_by_word_is_all_at_once(build, flags):
    if flags:
        flags = ("--factorization", *flags)
    model = build("pruned_lstm_lm_tiny", *flags, **LM).eval()
    read = words(3, 9)
    with torch.no_grad():
        whole = model(read)[0]
        state = {}
        steps = [model(read[:, : k + 1], incremental_state=state)[0] for k in range(9)]
        assert torch.allclose(torch.cat(steps, 1), whole, atol=1e-5)
        # beam search: the second text goes on as the first
        order = torch.tensor([0, 0, 2])
        model.decoder.reorder_incremental_state(state, order)
        new = words(3, 1, seed=1)
        found = model(new, incremental_state=state)[0]
        expected = model(torch.cat((read[order], new), 1))[0][:, -1:]
        assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("flags", FACTORIZED)
def test_factorized_parameters_are_in_their_classes(build, flags):
    model = build("pruned_lstm_lm_tiny", "--factorization", *flags, **LM)
    classes = fairseq_classes(model.state_dict())
    assert set(classes.values()) == {
        "target embedding", "target layer 1", "target layer 2", "softmax",
    }  # fmt: skip
    dense = build("pruned_lstm_lm_tiny", **LM)
    count = [sum(p.numel() for p in m.parameters()) for m in (model, dense)]
    assert count[0] < count[1]


@pytest.mark.parametrize("make", [lambda i, o: LowRank(i, o, 4), lambda i, o: TensorTrain(i, o, 4)])
def test_factorized_lstm_is_torchs_with_the_matrices_multiplied_out(make):
    torch.manual_seed(2)
    small = FactorizedLSTM(10, 16, 2, make).init_(0.5)
    dense = nn.LSTM(10, 16, 2)
    factors = {n: m for n, m in small.named_modules() if n in ("ih_l0", "hh_l0", "ih_l1", "hh_l1")}
    with torch.no_grad():
        for name, factor in factors.items():
            getattr(dense, f"weight_{name}").copy_(factor.matrix())
            for bias in ("ih", "hh"):
                name_of = f"bias_{bias}_{name[-2:]}"
                getattr(dense, name_of).copy_(getattr(small, name_of))
    x = torch.randn(6, 3, 10)
    state = torch.randn(2, 3, 16), torch.randn(2, 3, 16)
    found, (h, c) = small(x, state)
    expected, (h_dense, c_dense) = dense(x, state)
    for a, b in ((found, expected), (h, h_dense), (c, c_dense)):
        assert torch.allclose(a, b, atol=1e-5)
    stepped = run_steps(small, x, state)[0]
    assert torch.allclose(stepped, expected, atol=1e-5)
    # gradients: the chain rule from the dense matrix's
    dense_grad = torch.autograd.grad(expected.square().sum(), dense.weight_hh_l1)[0]
    factor = small.hh_l1
    found.square().sum().backward()
    first = next(factor.parameters())
    again = torch.autograd.grad((factor.matrix() * dense_grad).sum(), first)[0]
    assert torch.allclose(first.grad, again, rtol=1e-3, atol=1e-4)


def features_by_hand(model, read, masks):
    """What two layers give (T, H) for words (T,), by Zaremba et al. 2014, section 3.

    Args:
        masks: (3, T, H), by which the first layer's input, the second's and the output are
            multiplied.
    """
    lstm, embedded = model.decoder.lstm, model.decoder.embed_tokens(read)
    state = [(torch.zeros(32), torch.zeros(32)) for layer in range(2)]
    outputs = []
    for x, mask in zip(embedded, masks.unbind(1)):
        for layer in range(2):
            h, c = state[layer]
            if isinstance(lstm, FactorizedLSTM):
                ih, hh = (getattr(lstm, f"{side}_l{layer}").matrix() for side in ("ih", "hh"))
            else:
                ih, hh = (getattr(lstm, f"weight_{side}_l{layer}") for side in ("ih", "hh"))
            biases = (getattr(lstm, f"bias_{side}_l{layer}") for side in ("ih", "hh"))
            i, f, g, o = (ih @ (mask[layer] * x) + hh @ h + sum(biases)).view(4, 32)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            x = o.sigmoid() * c.tanh()
            state[layer] = x, c
        outputs.append(mask[2] * x)
    return torch.stack(outputs)


@pytest.mark.parametrize("steps", [False, True], ids=["at once", "word by word"])
@pytest.mark.parametrize(
    "flags", [(), *FACTORIZED[:2]], ids=["dense", *(f[0] for f in FACTORIZED[:2])]
)
def test_dropout_is_on_all_connections_but_the_recurrent_ones(build, flags, steps):
    """Masks are drawn for the input, between layers and for the output, in this order."""
    torch.manual_seed(4)
    if flags:
        flags = ("--factorization", *flags)
    model = build("pruned_lstm_lm_tiny", "--dropout", "0.4", "--init-range", "1", *flags, **LM)
    read, length = words(1, 6), 6

    def masks_of(length):
        return torch.stack([F.dropout(torch.ones(length, 32), 0.4) for place in range(3)])

    def features():
        if not steps:
            return model.decoder.extract_features(read)[0][0]
        state = {}
        texts = (read[:, : k + 1] for k in range(length))
        found = [model.decoder.extract_features(t, incremental_state=state)[0] for t in texts]
        return torch.cat(found, 1)[0]

    torch.manual_seed(5)
    masks = torch.cat([masks_of(1) for k in range(length)], 1) if steps else masks_of(length)
    assert masks.unique().tolist() == [0, pytest.approx(1 / 0.6)]
    torch.manual_seed(5)
    found = features()
    assert torch.allclose(found, features_by_hand(model, read[0], masks), atol=1e-5)
    assert torch.equal(found == 0, masks[2] == 0)
    model.eval()
    expected = features_by_hand(model, read[0], torch.ones_like(masks))
    assert torch.allclose(features(), expected, atol=1e-5)


@pytest.mark.parametrize(
    "arch, hidden_size, dropout, init_range",
    [("small", 200, 0.0, 0.1), ("medium", 650, 0.5, 0.05), ("large", 1500, 0.65, 0.04)],
)
def test_architectures_are_zarembas(arch, hidden_size, dropout, init_range):
    """Zaremba et al. 2014, section 4.1."""
    argv = ["data", "--task", "language_modeling", "--arch", f"pruned_lstm_lm_{arch}"]
    args = options.parse_args_and_arch(options.get_training_parser(), input_args=argv)
    found = (args.hidden_size, args.num_layers, args.dropout, args.init_range)
    assert found == (hidden_size, 2, dropout, init_range)


@pytest.mark.parametrize(
    "flags, message",
    [
        (("--num-layers", "0"), "--num-layers 0 is out of range; give 1 or more"),
        (("--num-layers", "-2"), "--num-layers -2 is out of range; give 1 or more"),
        (("--hidden-size", "0"), "--hidden-size 0 is out of range; give 1 or more"),
        (("--hidden-size", "-8"), "--hidden-size -8 is out of range; give 1 or more"),
        (("--dropout", "1.5"), "--dropout 1.5 is out of range; give 0 to 1"),
        (("--init-range", "-1"), "--init-range -1.0 is out of range; give 0 or more"),
        (("--lstm-rank", "4"), "--lstm-rank needs --factorization low-rank or tensor-train"),
        (("--factorization", "low-rank"), "--factorization low-rank needs a rank"),
        (("--factorization", "low-rank", "--lstm-rank", "33"), "rank 33 is out of range"),
        (("--factorization", "low-rank", "--softmax-rank", "-1"), "--softmax-rank -1 is out of"),
        (
            ("--factorization", "tensor-train", "--embedding-rank", "4"),
            "--embedding-rank is for --factorization low-rank",
        ),
        (
            ("--factorization", "low-rank", "--softmax-rank", "4",
             "--share-decoder-input-output-embed"),
            "--share-decoder-input-output-embed takes no --softmax-rank",
        ),
        (
            ("--factorization", "tensor-train", "--lstm-rank", "4", "--tensor-train-order", "0"),
            "--tensor-train-order 0 is out of range",
        ),
    ],
)  # fmt: skip
def test_mistakes(build, flags, message):
    with pytest.raises(SystemExit, match=message):
        build("pruned_lstm_lm_tiny", *flags, **LM)
