"""Which weights are one: what the table says of options against what fairseq's models share."""

import os
import re
from argparse import Namespace

import fairseq
import pytest
import torch
from fairseq.models.transformer import TransformerConfig
from torch import nn

from fairseq_prune.checkpoints.weights import aliases_in, distinct, prunable_weights
from fairseq_prune.parameters.kinds import BUFFERS, is_copy
from fairseq_prune.parameters.ties import TIE_RULES, aliases_of
from fairseq_prune.parameters.weight_classes import fairseq_classes, fairseq_prunable
from fairseq_prune.pruning import PruneError, members

ENCODER = "--encoder-embed-dim 8 --encoder-ffn-embed-dim 8 --encoder-attention-heads 2"
DECODER = "--decoder-embed-dim 8 --decoder-ffn-embed-dim 8 --decoder-attention-heads 2"
TRANSFORMER = f"{ENCODER} --encoder-layers 1 {DECODER} --decoder-layers 2"
LSTM = "--encoder-embed-dim 8 --decoder-embed-dim 8 --decoder-out-embed-dim 8"
FCONV = f"{LSTM} --encoder-layers [(8,3)] --decoder-layers [(8,3)]"
LM = f"{DECODER} --decoder-layers 1 --decoder-input-dim 8 --decoder-output-dim 8"
BANDS = (
    "--adaptive-input --adaptive-input-cutoff 6,10 --criterion adaptive_loss "
    "--adaptive-softmax-cutoff 6,10 --adaptive-input-factor 2 --adaptive-softmax-factor 2"
)
LIGHTCONV = f"{TRANSFORMER} --encoder-kernel-size-list [3] --decoder-kernel-size-list [3,3]"
ALL, OUT = "--share-all-embeddings", "--share-decoder-input-output-embed"

NMT, LANGUAGE, MANY = "translation", "language_modeling", "multilingual_translation"

#: task, architecture, options -> each way to tie weights.
MODELS = [
    (NMT, "lstm", LSTM, ("", ALL, OUT)),
    (NMT, "transformer", TRANSFORMER, ("", ALL, OUT, "--merge-src-tgt-embed")),
    (NMT, "transformer_align", TRANSFORMER, ("", ALL, OUT)),
    (NMT, "bart_base", TRANSFORMER, ("",)),
    (NMT, "lightconv", LIGHTCONV, ("", ALL, OUT)),
    (NMT, "fconv", FCONV, ("", "--share-input-output-embed")),
    (NMT, "fconv_self_att", f"{LSTM} --encoder-layers [(8,3)] --decoder-layers [(8,3)] "
     "--encoder-attention False --decoder-attention False --self-attention False", ("",)),
    (NMT, "pruned_lstm_nmt_tiny", "", ("", ALL, OUT)),
    (LANGUAGE, "lstm_lm", LSTM.split("dim 8", 1)[1], ("", OUT)),
    (LANGUAGE, "pruned_lstm_lm_small", "--hidden-size 8", ("", OUT)),
    (LANGUAGE, "fconv_lm", "--decoder-embed-dim 8 --decoder-layers [(8,3)]", ("",)),
    (LANGUAGE, "transformer_lm", LM, (
        "", OUT, BANDS, f"{BANDS} --tie-adaptive-weights", f"{BANDS} --tie-adaptive-proj",
        f"{BANDS} --tie-adaptive-weights --tie-adaptive-proj")),
    (LANGUAGE, "lightconv_lm", f"{LM} --decoder-kernel-size-list [3]", ("", OUT)),
    (MANY, "multilingual_transformer", TRANSFORMER, (
        "", ALL, OUT, "--share-encoders", "--share-decoders", "--share-encoder-embeddings",
        "--share-decoder-embeddings", f"--share-encoders --share-decoders {OUT}")),
    ("translation_lev", "levenshtein_transformer", f"{TRANSFORMER} --early-exit 1,1,1", (
        ALL, "--no-share-discriminator --share-discriminator-maskpredictor",
        "--no-share-discriminator --no-share-maskpredictor")),
    ("translation_lev", "insertion_transformer", TRANSFORMER, ("", ALL, OUT)),
    ("translation_lev", "nonautoregressive_transformer", TRANSFORMER, ("", ALL, OUT)),
    ("translation_lev", "cmlm_transformer", TRANSFORMER, ("",)),
    ("speech_to_text", "s2t_transformer_xs", f"{TRANSFORMER} --conv-channels 8", ("", OUT)),
    ("speech_to_text", "convtransformer", TRANSFORMER, ("", OUT)),
    ("masked_lm", "roberta_base", f"{ENCODER} --encoder-layers 1 --max-positions 16",
     ("", "--untie-weights-roberta")),
    ("audio_pretraining", "wav2vec2", f"{ENCODER} --encoder-layers 1 --final-dim 8 --latent-vars 4 "
     "--conv-pos-groups 2 --conv-feature-layers [(8,3,2)] --quantize-targets --quantize-input",
     ("", "--same-quantizer")),
]  # fmt: skip
CASES = [(t, a, f"{o} {w}".split()) for t, a, o, ways in MODELS for w in ways]


def shared(model):
    """Groups of names of one parameter, found by identity."""
    names = {}
    for prefix, module in model.named_modules(remove_duplicate=False):
        for name, parameter in module.named_parameters(recurse=False):
            names.setdefault(id(parameter), []).append(f"{prefix}.{name}".lstrip("."))
    return [group for group in names.values() if len(group) > 1]


def as_saved(model, options, together):
    """What a checkpoint holds; ``together``: tied weights share memory, as from a CPU."""
    state = dict(model.state_dict())
    if not together:
        state = {name: tensor.clone() for name, tensor in state.items()}
    return {"model": state, "cfg": {"model": options}}


@pytest.mark.parametrize("task, arch, flags", CASES, ids=lambda x: x if type(x) is str else None)
def test_ties_and_counts_are_those_of_the_model(build_with_options, task, arch, flags):
    if "--merge-src-tgt-embed" in flags and not hasattr(TransformerConfig, "merge_src_tgt_embed"):
        pytest.skip("stock fairseq has no such option")
    torch.manual_seed(0)
    model, options = build_with_options(arch, *flags, source=14, task=task)
    expected = [group for group in shared(model) if not is_copy(group[0])]
    for together in (True, False):
        state = as_saved(model, options, together)
        aliases = aliases_in(state, "file.pt")
        groups = [[name, *others] for name, others in aliases.items()]
        # an output that is nowhere in the model but a name for its embedding
        found = [[name for name in group if name in state["model"]] for group in groups]
        assert sorted(g for g in found if len(g) > 1) == sorted(expected)
        weights = distinct(state["model"], aliases)
        count = {n: p.numel() for n, p in model.named_parameters() if not is_copy(n)}
        assert {name: weight.numel() for name, weight in weights.items()} == count
        # training and files call everything the same
        assert aliases == aliases_of(model)
        for include in ((), (".",)):
            live = fairseq_prunable(dict(model.named_parameters()), include, (), aliases)
            stored = prunable_weights(state, aliases, include)
            assert list(live) == list(stored)
        # a pattern for everything takes neither buffers nor fairseq's copies of weights
        assert set(live) == set(count)
        assert set(fairseq_prunable(state["model"], [".*"])) <= {*count, *sum(groups, [])}


def test_every_option_of_the_table_is_tried():
    options = {option for condition, _, _ in TIE_RULES for option in condition}
    assert options <= {
        word[2:].replace("-", "_") for _, _, flags in CASES for word in flags if word[:2] == "--"
    }


def test_every_buffer_of_fairseq_is_known():
    root = os.path.dirname(fairseq.__file__)
    found = set()
    for part in ("models", "modules"):
        for folder, _, files in os.walk(os.path.join(root, part)):
            for name in files:
                if name.endswith(".py"):
                    with open(os.path.join(folder, name), encoding="utf-8") as f:
                        found |= set(re.findall(r"register_buffer\(\s*[\"'](\w+)", f.read()))
    assert found <= {name.rpartition(".")[2] for name in BUFFERS} and "version" in found


def test_equal_numbers_are_no_tie():
    """Layers that begin as copies, and matrices of zeros, whatever their names."""
    copied = torch.randn(4, 4)
    model = {
        "decoder.layers.0.fc1.weight": copied,
        "decoder.layers.1.fc1.weight": copied.clone(),
        "decoder.embed_tokens.weight": torch.zeros(4, 4),
        "decoder.output_projection.weight": torch.zeros(4, 4),
    }
    untied = Namespace(share_all_embeddings=False, share_decoder_input_output_embed=False)
    for state in ({"model": model}, {"model": model, "args": untied}):
        assert aliases_in(state, "file.pt") == {}
        assert list(distinct(model, {})) == list(model)


@pytest.mark.parametrize("of", ["args", "cfg, a Namespace", "cfg, a dictionary"])
def test_configurations_of_all_ages_are_read(of):
    weight = torch.ones(3, 3)
    model = {
        "decoder.embed_tokens.weight": weight,
        "decoder.output_projection.weight": weight.clone(),
    }
    options = {"share_decoder_input_output_embed": True}
    state = {
        "args": {"args": Namespace(**options), "cfg": None},
        "cfg, a Namespace": {"args": None, "cfg": {"model": Namespace(**options)}},
        "cfg, a dictionary": {"cfg": {"model": options}},
    }[of]
    state["model"] = model
    assert aliases_in(state, "x") == {
        "decoder.embed_tokens.weight": ["decoder.output_projection.weight"]
    }
    model["decoder.output_projection.weight"][1, 2] = 5.0
    with pytest.raises(PruneError, match="^x was trained with share_decoder_input_output_embed, "):
        aliases_in(state, "x")


JOINED = "source and target embedding, softmax"


@pytest.mark.parametrize(
    "arch, options, flags, joined",
    [
        ("transformer", TRANSFORMER, ALL, {"source embedding": JOINED}),
        ("lstm", LSTM, ALL, {"source embedding": JOINED}),
        ("pruned_lstm_nmt_tiny", "", ALL, {"source embedding": JOINED}),
        ("transformer", TRANSFORMER, OUT, {"target embedding": "target embedding and softmax"}),
        ("lstm", LSTM, OUT, {"target embedding": "target embedding and softmax"}),
        ("fconv", FCONV, "--share-input-output-embed",
         {"target embedding": "target embedding and softmax"}),
        ("transformer_lm", LM, f"{BANDS} --tie-adaptive-weights",
         {"target embedding": "target embedding and softmax"}),
        ("transformer", TRANSFORMER, "", {}),
        ("lstm", LSTM, "", {}),
    ],
)  # fmt: skip
def test_a_joined_class_is_called_what_it_is(build_with_options, arch, options, flags, joined):
    """And nothing else changes: the classes have the members that they had by first names."""
    task = LANGUAGE if arch.endswith("_lm") else NMT
    model, _ = build_with_options(arch, *f"{options} {flags}".split(), source=14, task=task)
    weights = fairseq_prunable(dict(model.named_parameters()))
    before = members(fairseq_classes(weights))
    after = members(fairseq_classes(weights, aliases_of(model)))
    assert list(after.values()) == list(before.values())
    assert list(after) == [joined.get(name, name) for name in before]


def test_a_joined_weight_is_matched_by_each_of_its_names(build_with_options):
    model, _ = build_with_options("transformer", *TRANSFORMER.split(), ALL, source=14)
    named, aliases = dict(model.named_parameters()), aliases_of(model)
    everything = list(fairseq_prunable(named, aliases=aliases))
    for pattern in (
        "source embedding", "target embedding", "^softmax: decoder.output_projection", JOINED,
        r"decoder\.embed_tokens", r"output_projection\.weight$",
    ):  # fmt: skip
        left = list(fairseq_prunable(named, exclude=[pattern], aliases=aliases))
        assert left == [name for name in everything if name != "encoder.embed_tokens.weight"]


def test_layers_that_are_shared_count_once():
    """Modules, not only parameters."""
    layer = nn.Linear(3, 3)
    model = nn.ModuleDict({"a": layer, "b": nn.Sequential(layer, nn.Linear(3, 3))})
    assert aliases_of(model) == {"a.weight": ["b.0.weight"], "a.bias": ["b.0.bias"]}
