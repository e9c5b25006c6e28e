"""The two-step search against fairseq's."""

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.search import BeamSearch

from fairseq_prune.runtime.search import TwoStepBeamSearch


@pytest.mark.parametrize("vocabulary, beam", [(5, 2), (11, 5), (12, 5), (300, 1), (300, 7)])
@pytest.mark.parametrize("step", [0, 1, 4])
def test_candidates_are_those_of_fairseq(vocabulary, beam, step):
    dictionary = Dictionary()
    for k in range(vocabulary - len(dictionary)):
        dictionary.add_symbol(str(k))
    generator = torch.Generator().manual_seed(step)
    # all different, so that there is one answer
    lprobs = -torch.randperm(3 * beam * vocabulary, generator=generator).float()
    lprobs = lprobs.view(3, beam, vocabulary) / 64
    scores = -torch.randperm(3 * beam * 5, generator=generator).float().view(3, beam, 5) / 4096
    lprobs[0, 0, 2] = float("-inf")
    stock = BeamSearch(dictionary).step(step, lprobs.clone(), scores[:, :, :step])
    ours = TwoStepBeamSearch(dictionary).step(step, lprobs.clone(), scores[:, :, :step])
    for mine, expected in zip(ours, stock):
        assert torch.equal(mine, expected)
