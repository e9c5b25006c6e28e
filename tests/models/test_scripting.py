"""``torch.jit.script`` of the models, and of fairseq's whole beam search with them."""

import io
from typing import Dict, List, Optional

import pytest
import torch
from fairseq.sequence_generator import SequenceGenerator
from sentences import SOURCES, TARGETS, VARIANTS, pad
from torch import Tensor, nn

LENGTHS = torch.tensor([len(source) for source in SOURCES])


def there_and_back(scripted):
    """What ``torch.jit.load`` makes of what ``torch.jit.save`` writes."""
    file = io.BytesIO()
    torch.jit.save(scripted, file)
    file.seek(0)
    return torch.jit.load(file)


def make(build, *flags):
    torch.manual_seed(0)
    model = build("pruned_lstm_nmt", "--hidden-size", "6", "--dropout", "0.3", *flags)
    for parameter in model.parameters():  # wide enough to say different things
        torch.nn.init.uniform_(parameter, -1, 1)
    return model.eval()


@pytest.mark.parametrize("flags", VARIANTS.values(), ids=VARIANTS.keys())
@torch.no_grad()
def test_scripted_is_the_model(build, flags):
    model = make(build, *flags)
    batch = (pad(SOURCES, left=True), LENGTHS, torch.tensor(TARGETS))
    scores, extra = model(*batch)
    scripted = torch.jit.script(model)
    assert scripted.state_dict().keys() == model.state_dict().keys()
    for found in (scripted(*batch), there_and_back(scripted)(*batch)):
        assert torch.equal(found[0], scores)
        attention, expected = found[1]["attn"][0], extra["attn"][0]
        assert attention is expected is None or torch.equal(attention, expected)


def test_scripted_training_has_the_same_gradients(build):
    model = make(build, "--decoder-input-feed")
    batch = (pad(SOURCES, left=True), LENGTHS, torch.tensor(TARGETS))
    gradients = []
    for kind in (model, torch.jit.script(model)):
        model.zero_grad()
        kind.train()
        torch.manual_seed(1)
        kind(*batch)[0].sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients)) and any(map(torch.any, gradients[0]))


@pytest.mark.parametrize("flags", [[], ["--decoder-input-feed"], ["--no-attention"]])
def test_scripted_beam_search_is_fairseqs(build, flags):
    model = make(build, *flags)
    generator = SequenceGenerator([model], model.decoder.dictionary, beam_size=3, max_len_b=10)
    sample = {"net_input": {"src_tokens": pad(SOURCES, left=True), "src_lengths": LENGTHS}}
    expected = generator.forward(sample)
    found = there_and_back(torch.jit.script(generator))(sample)
    assert len({tuple(beam[0]["tokens"].tolist()) for beam in expected}) > 1
    for mine, theirs in zip(found, expected):
        assert [h["tokens"].tolist() for h in mine] == [h["tokens"].tolist() for h in theirs]
        assert [float(h["score"]) for h in mine] == [float(h["score"]) for h in theirs]


class WordByWord(nn.Module):
    """Reads a text with the state of the words before it: fairseq can script no beam search of a
    model without an encoder."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, read: Tensor) -> Tensor:
        state: Dict[str, Dict[str, Optional[Tensor]]] = {}
        scores: List[Tensor] = []
        for k in range(read.size(1)):
            scores.append(self.model(read[:, : k + 1], None, state)[0])
        self.model.decoder.reorder_incremental_state_scripting(state, torch.tensor([1, 0, 2, 3]))
        scores.append(self.model(read, None, state)[0])
        return torch.cat(scores, 1)


@pytest.mark.parametrize("flags", [[], ["--share-decoder-input-output-embed"]])
@torch.no_grad()
def test_language_models(build, flags):
    model = build("pruned_lstm_lm_tiny", *flags, task="language_modeling", source=40, target=40)
    model.eval()
    read = torch.tensor(TARGETS)
    whole = model(read)[0]
    assert torch.equal(there_and_back(torch.jit.script(model))(read)[0], whole)
    steps = there_and_back(torch.jit.script(WordByWord(model)))(read)
    assert torch.equal(steps, WordByWord(model)(read))
    assert torch.allclose(steps[:, :5], whole, atol=1e-5)
