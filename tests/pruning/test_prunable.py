from collections import OrderedDict

import torch
from torch import nn

from fairseq_prune.pruning import find_prunable


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.positions = nn.Embedding(9, 4)
        self.lstm = nn.LSTM(4, 4)
        self.norm = nn.LayerNorm(4)
        self.conv = nn.Conv1d(4, 4, 3)
        self.out = nn.Linear(4, 5)
        self.out.weight = self.embed.weight


MATRICES = [
    "embed.weight",
    "positions.weight",
    "lstm.weight_ih_l0",
    "lstm.weight_hh_l0",
    "conv.weight",
]


def names(model=None, **kwargs):
    return list(find_prunable((model or Small()).state_dict(), **kwargs))


def test_matrices_are_found_in_order_and_vectors_left_out():
    assert names() == MATRICES


def test_parameters_and_state_dict_agree():
    model = Small()
    assert list(find_prunable(dict(model.named_parameters()))) == names(model)


def test_the_tensors_are_the_models_own():
    model = Small()
    found = find_prunable(dict(model.named_parameters()))
    assert found["conv.weight"] is model.conv.weight


def test_tied_weights_count_once_under_the_first_name():
    weight = torch.ones(2, 3)
    assert list(find_prunable({"b": weight, "a": weight, "c": weight.detach()})) == ["b"]


def test_equal_numbers_in_other_memory_count_twice():
    assert list(find_prunable({"a": torch.ones(2, 3), "b": torch.ones(2, 3)})) == ["a", "b"]


def test_two_halves_of_one_memory_count_twice():
    both = torch.ones(4, 3)
    assert list(find_prunable({"a": both[:2], "b": both[2:]})) == ["a", "b"]


def test_a_bias_is_none_whatever_its_shape():
    named = {
        "m.bias": torch.ones(2, 2),
        "m.in_proj_bias": torch.ones(2, 2),
        "bias.w": torch.ones(2, 2),
    }
    assert list(find_prunable(named)) == ["bias.w"]


def test_integers_stay_out_even_if_included():
    named = {"ints": torch.ones(2, 2, dtype=torch.long), "bools": torch.ones(2, 2).bool()}
    assert find_prunable(named, include=[".*"]) == {}


def test_half_precision_counts():
    named = {str(d): torch.ones(2, 2, dtype=d) for d in (torch.float16, torch.bfloat16)}
    assert list(find_prunable(named)) == list(named)


def test_frozen_weights_count():
    model = Small()
    model.conv.weight.requires_grad_(False)
    assert "conv.weight" in find_prunable(dict(model.named_parameters()))


def test_exclude_leaves_out_what_it_matches_anywhere():
    assert names(exclude=[r"_hh_", r"^conv"]) == [
        "embed.weight",
        "positions.weight",
        "lstm.weight_ih_l0",
    ]


def test_include_takes_vectors_and_biases():
    assert names(include=[r"norm\.weight", r"out\.bias"]) == MATRICES[:4] + [
        "norm.weight",
        "conv.weight",
        "out.bias",
    ]


def test_not_weights_stay_out_unless_included():
    assert names(not_weights=["positions"]) == [n for n in MATRICES if n != "positions.weight"]
    assert names(not_weights=["positions"], include=["positions"]) == MATRICES


def test_exclude_wins_over_include():
    assert "norm.weight" not in names(include=["norm"], exclude=["norm"])


def test_nothing_is_found_in_nothing():
    assert find_prunable(OrderedDict()) == {}
