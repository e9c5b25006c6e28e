"""The divergence and its gradient, against sums written out in float64."""

import math
import random

import pytest
import torch

from fairseq_prune.criterions.divergence import ROWS, divergence_

WORDS = 7


def softmax(logits, temperature):
    powers = [math.exp(x / temperature) for x in logits]
    return [p / sum(powers) for p in powers]


def by_hand(student, teacher, temperature):
    """KL of each row of logits, and its gradient with respect to the student's."""
    values, gradients = [], []
    for own, wanted in zip(student, teacher):
        q, p = softmax(own, temperature), softmax(wanted, temperature)
        values.append(sum(a * math.log(a / b) for a, b in zip(p, q)))
        gradients.append([(b - a) / temperature for a, b in zip(p, q)])
    return values, gradients


def logits(tokens, seed):
    rng = random.Random(seed)
    return [[rng.gauss(0, 2) for _ in range(WORDS)] for _ in range(tokens)]


@pytest.mark.parametrize("temperature", [0.5, 1, 2.5])
@pytest.mark.parametrize("tokens", [1, 5, ROWS + 3, 2 * ROWS])
def test_as_written_out(temperature, tokens):
    student, teacher = logits(tokens, 1), logits(tokens, 2)
    values, gradients = by_hand(student, teacher, temperature)
    weights = torch.linspace(-1, 2, tokens, dtype=torch.float64)
    for dtype, within in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        own = torch.tensor(student, dtype=dtype, requires_grad=True)
        lprobs = torch.tensor(teacher, dtype=dtype).log_softmax(-1)
        found = divergence_(own.log_softmax(-1), lprobs, temperature)
        assert found.dtype == dtype and found.shape == (tokens,)
        exact = torch.tensor(values, dtype=torch.float64)
        torch.testing.assert_close(found.detach().double(), exact, rtol=within, atol=within)
        (found * weights.to(dtype)).sum().backward()
        expected = torch.tensor(gradients, dtype=torch.float64) * weights.unsqueeze(-1)
        torch.testing.assert_close(own.grad.double(), expected, rtol=within, atol=within)


@pytest.mark.parametrize("temperature", [1, 3])
def test_nothing_from_the_same_distribution(temperature):
    lprobs = torch.tensor(logits(5, 1)).log_softmax(-1)
    assert not divergence_(lprobs, lprobs.clone(), temperature).any()


@pytest.mark.parametrize("temperature", [1, 3])
def test_a_word_that_the_teacher_rules_out(temperature):
    """It adds nothing: the limit of p log p."""
    wanted = torch.tensor([[0.0, 1.0, -math.inf]]).log_softmax(-1)
    own = torch.tensor([[1.0, -1.0, 0.5]], requires_grad=True)
    found = divergence_(own.log_softmax(-1), wanted.clone(), temperature)
    q, p = softmax(own[0].tolist(), temperature), softmax([0.0, 1.0], temperature)
    expected = sum(a * math.log(a / b) for a, b in zip(p, q))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    found.sum().backward()
    assert torch.isfinite(own.grad).all()


def test_a_second_backward_pass_is_refused():
    """Its memory was the first one's."""
    own = torch.zeros(2, WORDS, requires_grad=True)
    found = divergence_(own.log_softmax(-1), torch.zeros(2, WORDS).log_softmax(-1)).sum()
    found.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="inplace"):
        found.backward()
