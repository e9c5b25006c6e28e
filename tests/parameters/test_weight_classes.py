"""Every prunable weight of fairseq's architectures in the class that the paper would put it in."""

import pytest

from fairseq_prune.parameters.ties import aliases_of
from fairseq_prune.parameters.weight_classes import fairseq_classes, fairseq_prunable

TRANSFORMER = (
    "--encoder-embed-dim 16 --encoder-ffn-embed-dim 48 --encoder-layers 2 "
    "--encoder-attention-heads 2 --decoder-embed-dim 16 --decoder-ffn-embed-dim 32 "
    "--decoder-layers 3 --decoder-attention-heads 2"
).split()
LSTM = (
    "--encoder-embed-dim 8 --encoder-layers 2 --decoder-embed-dim 8 --decoder-layers 2 "
    "--decoder-out-embed-dim 8"
).split()
FCONV = (
    "--encoder-embed-dim 8 --encoder-layers [(16,3)]*2 --decoder-embed-dim 8 "
    "--decoder-layers [(16,3)]*2 --decoder-out-embed-dim 6"
).split()
LM = "--decoder-embed-dim 16 --decoder-layers 2 --decoder-out-embed-dim 16".split()
TRANSFORMER_LM = (
    "--decoder-embed-dim 16 --decoder-input-dim 16 --decoder-output-dim 16 "
    "--decoder-ffn-embed-dim 32 --decoder-layers 2 --decoder-attention-heads 2"
).split()


def sizes(model):
    """class -> number of its prunable weights."""
    aliases = aliases_of(model)
    weights = fairseq_prunable(dict(model.named_parameters()), aliases=aliases)
    classes = fairseq_classes(weights, aliases)
    result = {}
    for name, weight in weights.items():
        result[classes[name]] = result.get(classes[name], 0) + weight.numel()
    return result


def lstm_layer(inputs, n=8):
    return 4 * n * (inputs + n)


def test_lstm(build):
    assert sizes(build("lstm", *LSTM)) == {
        "source embedding": 12 * 8,
        "source layer 1": lstm_layer(8),
        "source layer 2": lstm_layer(8),
        "target embedding": 14 * 8,
        "target layer 1": lstm_layer(16),  # stock fairseq feeds h~ back in
        "target layer 2": lstm_layer(8),
        "attention": 8 * 8 + 16 * 8,
        "softmax": 14 * 8,
    }


def test_both_directions_of_a_layer_are_one_class(build):
    model = build(
        "lstm",
        *LSTM,
        "--encoder-bidirectional",
        "--decoder-hidden-size",
        "16",
        "--decoder-out-embed-dim",
        "6",
        "--share-decoder-input-output-embed",
        "--decoder-embed-dim",
        "6",
    )
    found = sizes(model)
    assert found["source layer 1"] == 2 * lstm_layer(8)
    assert found["source layer 2"] == 2 * lstm_layer(16)
    assert found["softmax"] == 16 * 6  # the projection to the tied table's size


def transformer_layers(d=16, encoder_ffn=48, decoder_ffn=32):
    return {
        **{f"source layer {k}": 4 * d * d + 2 * d * encoder_ffn for k in (1, 2)},
        **{f"target layer {k}": 4 * d * d + 2 * d * decoder_ffn for k in (1, 2, 3)},
        "attention": 3 * 4 * d * d,
    }


def test_transformer(build):
    assert sizes(build("transformer", *TRANSFORMER)) == {
        **transformer_layers(),
        "source embedding": 12 * 16,
        "target embedding": 14 * 16,
        "softmax": 14 * 16,
    }


def test_a_softmax_tied_to_the_target_embedding_counts_once(build):
    model = build("transformer", *TRANSFORMER, "--share-decoder-input-output-embed")
    assert sizes(model) == {
        **transformer_layers(),
        "source embedding": 12 * 16,
        "target embedding and softmax": 14 * 16,
    }


def test_one_table_for_all_counts_once_and_positional_tables_never(build):
    flags = ["--share-all-embeddings", "--encoder-learned-pos", "--decoder-learned-pos"]
    model = build("transformer", *TRANSFORMER, *flags, source=14)
    assert sizes(model) == {
        **transformer_layers(),
        "source and target embedding, softmax": 14 * 16,
    }
    names = dict(model.named_parameters())
    assert any("embed_positions" in name for name in names)
    assert not any("embed_positions" in name for name in fairseq_prunable(names))


def test_fconv(build):
    glu = 2  # a gated convolution makes twice the channels
    convolution, attention = 16 * 3 * 16 * glu, 2 * 16 * 8
    assert sizes(build("fconv", *FCONV)) == {
        "source embedding": 12 * 8,
        "encoder.fc1": 8 * 16,
        "source layer 1": convolution,
        "source layer 2": convolution,
        "encoder.fc2": 16 * 8,
        "target embedding": 14 * 8,
        "decoder.fc1": 8 * 16,
        "target layer 1": convolution,
        "target layer 2": convolution,
        "attention": 2 * attention,
        "decoder.fc2": 16 * 6,
        "softmax": 6 * 14,
    }


def test_lstm_lm(build):
    model = build("lstm_lm", *LM, "--decoder-hidden-size", "16", task="language_modeling")
    layer = lstm_layer(16, n=16)
    assert sizes(model) == {
        "target embedding": 14 * 16,
        "target layer 1": layer,
        "target layer 2": layer,
        "softmax": 14 * 16,
    }


@pytest.mark.parametrize("tied", [False, True])
def test_transformer_lm(build, tied):
    flags = ["--share-decoder-input-output-embed"] if tied else []
    model = build("transformer_lm", *TRANSFORMER_LM, *flags, source=14, task="language_modeling")
    tables = {"target embedding": 14 * 16, "softmax": 14 * 16}
    if tied:
        tables = {"target embedding and softmax": 14 * 16}
    layers = {f"target layer {k}": 4 * 16 * 16 + 2 * 16 * 32 for k in (1, 2)}
    assert sizes(model) == {**tables, **layers}


def test_adaptive_tables_are_embedding_and_softmax(build):
    flags = [
        "--adaptive-input",
        "--adaptive-input-cutoff",
        "6,10",
        "--criterion",
        "adaptive_loss",
        "--adaptive-softmax-cutoff",
        "6,10",
    ]
    model = build("transformer_lm", *TRANSFORMER_LM, *flags, task="language_modeling")
    layers = {"target layer 1", "target layer 2"}
    assert set(sizes(model)) == {"target embedding", "softmax"} | layers


@pytest.mark.parametrize(
    "arch, flags, task",
    [
        ("lstm", LSTM, "translation"),
        ("transformer", [*TRANSFORMER, "--share-decoder-input-output-embed"], "translation"),
        ("fconv", FCONV, "translation"),
        ("lstm_lm", LM, "language_modeling"),
        ("transformer_lm", TRANSFORMER_LM, "language_modeling"),
        ("pruned_lstm_nmt_tiny", ["--share-all-embeddings"], "translation"),
    ],
)
def test_a_checkpoint_has_the_prunable_weights_of_its_model(build, arch, flags, task):
    model = build(arch, *flags, source=14, task=task)
    assert list(fairseq_prunable(model.state_dict())) == list(
        fairseq_prunable(dict(model.named_parameters()))
    )


def test_include_and_exclude_match_the_class_or_the_parameter(build):
    named = dict(build("transformer", *TRANSFORMER, "--encoder-learned-pos").named_parameters())
    plain = set(fairseq_prunable(named))
    no_attention = set(fairseq_prunable(named, exclude=["^attention:"]))
    assert plain - no_attention == {n for n in plain if "encoder_attn" in n}
    assert plain - set(fairseq_prunable(named, exclude=[r"fc2\.weight"])) == {
        n for n in plain if n.endswith("fc2.weight")
    }
    more = set(fairseq_prunable(named, include=["embed_positions", r"final_layer_norm\.weight$"]))
    assert more - plain == {"encoder.embed_positions.weight"} | {
        n for n in named if n.endswith("final_layer_norm.weight")
    }
