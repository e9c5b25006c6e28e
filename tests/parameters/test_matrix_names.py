"""No two matrices of a model are called alike."""

import pytest

from fairseq_prune.parameters.matrix_names import matrix_names
from fairseq_prune.parameters.ties import aliases_of
from fairseq_prune.parameters.weight_classes import fairseq_classes, fairseq_prunable

TRANSFORMER = (
    "--encoder-embed-dim 8 --encoder-ffn-embed-dim 8 --encoder-attention-heads 2 "
    "--encoder-layers 2 --decoder-embed-dim 8 --decoder-ffn-embed-dim 8 "
    "--decoder-attention-heads 2 --decoder-layers 2"
)
LSTM = "--encoder-embed-dim 8 --decoder-embed-dim 8 --decoder-out-embed-dim 8"
SHARE = "--share-all-embeddings"


def named(model):
    """(class, part) of each prunable parameter."""
    aliases = aliases_of(model)
    classes = fairseq_classes(
        fairseq_prunable(dict(model.named_parameters()), aliases=aliases), aliases
    )
    parts = matrix_names(classes)
    return {name: (classes[name], parts[name]) for name in classes}


@pytest.mark.parametrize(
    "arch, flags",
    [
        ("transformer", TRANSFORMER),
        ("transformer", f"{TRANSFORMER} {SHARE}"),
        ("lightconv", f"{TRANSFORMER} --encoder-kernel-size-list [3,3] "
         "--decoder-kernel-size-list [3,3]"),
        ("fconv", f"{LSTM} --encoder-layers [(8,3)]*2 --decoder-layers [(8,3)]*2"),
        ("nonautoregressive_transformer", TRANSFORMER),
    ],
)  # fmt: skip
def test_every_matrix_has_a_name_of_its_own(build, arch, flags):
    found = named(build(arch, *flags.split(), source=14))
    assert len(set(found.values())) == len(found)


def test_names_say_what_a_matrix_is(build):
    found = named(build("transformer", *TRANSFORMER.split(), SHARE, source=14))
    assert found["encoder.embed_tokens.weight"] == ("source and target embedding, softmax", "")
    assert found["encoder.layers.1.self_attn.k_proj.weight"][1] == "self-attention k"
    assert found["decoder.layers.0.self_attn.out_proj.weight"][1] == "self-attention output"
    assert found["decoder.layers.1.encoder_attn.q_proj.weight"] == ("attention", "layer 2 q")
    assert found["decoder.layers.1.fc1.weight"] == ("target layer 2", "fc1")


def test_the_two_matrices_of_an_lstm_go_by_one_name(build):
    layers = "--encoder-layers 2 --decoder-layers 2 --encoder-bidirectional".split()
    found = named(build("lstm", *LSTM.split(), *layers))
    for side in ("ih", "hh"):
        assert found[f"encoder.lstm.weight_{side}_l1"] == ("source layer 2", "")
        assert found[f"encoder.lstm.weight_{side}_l1_reverse"] == ("source layer 2", "backward")
        assert found[f"decoder.layers.0.weight_{side}"] == ("target layer 1", "")
    assert {part for c, part in found.values() if c == "attention"} == {"input_proj", "output_proj"}
