"""The paper's two models, at the paper's sizes."""

import pytest
import torch

from fairseq_prune.parameters.weight_classes import fairseq_classes, fairseq_prunable
from fairseq_prune.pruning import members


@pytest.fixture
def build_empty(build_by_hydra, monkeypatch):
    """Builds without writing to the weights, whose memory the system then never hands out."""
    for name in ("uniform_", "normal_", "xavier_uniform_", "kaiming_uniform_"):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)
    return build_by_hydra


def sizes(model):
    weights = fairseq_prunable(dict(model.named_parameters()))
    assert set(weights) == {name for name, _ in model.named_parameters()}
    by_class = members(fairseq_classes(weights))
    return {c: sum(weights[name].numel() for name in names) for c, names in by_class.items()}


def test_the_main_model_has_the_twelve_classes_of_figure_4(build_empty):
    model = build_empty("pruned_lstm_nmt_wmt14_en_de", source=50_000, target=50_000)
    found = sizes(model)
    layers = [f"{side} layer {k}" for side in ("source", "target") for k in (1, 2, 3, 4)]
    assert found == {
        **{layer: 8_000_000 for layer in layers},
        "attention": 2_000_000,
        "source embedding": 50_000_000,
        "target embedding": 50_000_000,
        "softmax": 50_000_000,
    }
    assert sum(found.values()) == 216_000_000
    # section 4: dropout 0.2
    assert model.encoder.dropout.p == model.encoder.lstm.dropout == 0.2


def test_the_second_model_is_about_11_percent_of_the_first(build_empty):
    found = sizes(build_empty("pruned_lstm_nmt_iwslt15_vi_en", source=7_709, target=17_191))
    assert list(found) == [
        "source embedding",
        "source layer 1",
        "source layer 2",
        "target embedding",
        "target layer 1",
        "target layer 2",
        "softmax",
    ]
    assert 0.105 < sum(found.values()) / 216e6 < 0.115


def test_the_model_itself_can_be_asked_for(build):
    model = build("pruned_lstm_nmt", "--hidden-size", "4", "--num-layers", "3")
    assert sizes(model) == {
        "source embedding": 12 * 4,
        **{f"source layer {k}": 8 * 4 * 4 for k in (1, 2, 3)},
        "target embedding": 14 * 4,
        **{f"target layer {k}": 8 * 4 * 4 for k in (1, 2, 3)},
        "attention": 2 * 4 * 4,
        "softmax": 14 * 4,
    }
