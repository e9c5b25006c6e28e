"""``scripts/true_fisher.py``: the words that its loss is of."""

import importlib.util

import torch
from commands import REPO
from torch import nn

PAD = 1


class Certain(nn.Module):
    """A model that is sure of a word at each place: the one after that of its input."""

    def forward(self, tokens):
        return tokens + 1

    def get_normalized_probs(self, output, log_probs):
        assert not log_probs
        return nn.functional.one_hot(output, 9).float()


def test_words_are_those_of_the_model_and_padding_stays():
    spec = importlib.util.spec_from_file_location("tf", REPO / "scripts" / "true_fisher.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    seen = []

    class Loss(nn.Module):
        def forward(self, model, sample, reduce=True):
            seen.append(sample)
            return "loss"

    sample = {
        "net_input": {"tokens": torch.tensor([[2, 3, 4], [5, 6, PAD]])},
        "target": torch.tensor([[8, 8, 8], [8, 8, PAD]]),
        "ntokens": 5,
    }
    assert script.OfTheModel(Loss(), PAD)(Certain(), sample) == "loss"
    assert seen[0]["target"].tolist() == [[3, 4, 5], [6, 7, PAD]]
    assert seen[0]["ntokens"] == 5 and sample["target"][0, 0] == 8, "the batch is as before"
