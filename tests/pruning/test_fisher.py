"""Scores that know the loss, against their formulas, and against the loss itself."""

import pytest
import torch

from fairseq_prune.pruning import Inputs, PruneError, Statistic, find_score, prune, scores_of
from fairseq_prune.pruning.statistics import AbsoluteGradients, SquaredGradients

CLASSES = {"a": "x", "b": "x", "e": "source embedding"}


def inputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a": (5, 6), "b": (4, 3), "e": (8, 5)}
    weights = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    statistics = {
        name: torch.rand(shape, generator=generator) * 1e-9 for name, shape in shapes.items()
    }
    statistics["e"][2] = 0.0
    statistics["e"][3] *= 1e-6
    return Inputs(weights, CLASSES, {}, statistics)


def scores(name, given):
    scorers = find_score(name).scorers(given)
    return {n: scores_of(scorers[n], w) for n, w in given.weights.items()}


def proportional(found, expected):
    """Equal but for one factor, which ranks alike."""
    ratios = torch.cat([(found[n].double() / expected[n]).flatten() for n in expected])
    return float(ratios.max() / ratios.min()) == pytest.approx(1, abs=1e-5)


def test_optimal_brain_damage():
    """LeCun et al. 1990, equation 5: w^2 h / 2, of which the score is the root."""
    given = inputs()
    given.statistics["e"] += 1e-12
    found = scores("fisher:exponent=0.5,damping=0", given)
    expected = {
        n: (w.double() ** 2 * given.statistics[n] / 2).sqrt() for n, w in given.weights.items()
    }
    assert proportional(found, expected)


def test_damping_and_exponent():
    given = inputs()
    found = scores("fisher:exponent=0.3,damping=0.2", given)
    mean = torch.cat([given.statistics[n].double().flatten() for n in "ab"]).mean()
    expected = {
        n: given.weights[n].double().abs() * (given.statistics[n] + 0.2 * mean) ** 0.3 for n in "ab"
    }
    assert proportional({n: found[n] for n in "ab"}, expected)


def test_guarded_rows_compete_alike():
    given = inputs()
    found = scores("fisher:exponent=0.5,guard=embedding", given)["e"].double()
    mean = given.statistics["e"].double().mean()
    for row in (0, 1, 3):
        value, weight = given.statistics["e"][row].double(), given.weights["e"][row].double()
        expected = weight.abs() * (value / value.mean() * mean + 0.1 * mean).sqrt()
        assert torch.allclose(found[row], expected, rtol=1e-5, atol=0)
    # never seen: by magnitude
    expected = given.weights["e"][2].double().abs() * (1.1 * mean).sqrt()
    assert torch.allclose(found[2], expected, rtol=1e-5, atol=0)


def test_classes_compete_in_units_of_the_loss():
    """A class whose weights matter more to the loss counts more: means are not taken out."""
    given = inputs()
    given.statistics["b"] *= 1e4
    apart = given._replace(classes={"a": "x", "b": "y", "e": "z"})
    found = scores("fisher:exponent=0.5,damping=0", apart)
    expected = {n: (w.double() ** 2 * given.statistics[n]).sqrt() for n, w in given.weights.items()}
    assert all(torch.allclose(found[n].double(), expected[n], rtol=1e-5, atol=0) for n in expected)


def test_pieces_make_no_difference():
    given = inputs()
    for name in ("fisher", "fisher:guard=embedding", "taylor"):
        scorers = find_score(name).scorers(given)
        for weight in "ae":
            flat = given.weights[weight].flatten()
            whole = scorers[weight](flat, 0)
            for start in range(len(flat)):
                for end in (start + 1, start + 4, len(flat)):
                    piece = scorers[weight](flat[start:end], start)
                    assert torch.equal(piece, whole[start:end])


def test_taylor():
    given = inputs()
    expected = {n: w.double().abs() * given.statistics[n] for n, w in given.weights.items()}
    found = scores("taylor", given)
    assert all(torch.allclose(found[n].double(), expected[n], rtol=1e-6) for n in expected)


@pytest.mark.parametrize(
    "kind, of", [(SquaredGradients, torch.square), (AbsoluteGradients, torch.abs)]
)
def test_statistics_are_means_over_batches_in_float32(kind, of):
    statistic, batches = kind(), [torch.randn(3, 4).half() for _ in range(5)]
    for batch in batches:
        statistic.add({"w": batch})
    expected = torch.stack([of(batch.double()) for batch in batches]).mean(0)
    found = statistic.mean()["w"]
    assert found.dtype == torch.float32 and torch.allclose(found.double(), expected, rtol=1e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_no_number_is_named_with_its_batch(bad):
    statistic = SquaredGradients()
    statistic.add({"w": torch.ones(2), "v": torch.ones(2)})
    with pytest.raises(PruneError, match="the gradient of v is NaN or infinite in batch 2 "):
        statistic.add({"w": torch.ones(2), "v": torch.tensor([1.0, bad])})


def test_one_only_says_what_a_batch_adds():
    class Signed(Statistic):
        def of_gradient(self, gradient):
            return gradient

    statistic = Signed()
    statistic.add({"w": torch.ones(2)})
    statistic.add({"w": -3 * torch.ones(2)})
    assert statistic.mean()["w"].tolist() == [-1, -1]


def test_inputs_of_unlike_scale():
    """Of a regression: magnitude does not see them, the Fisher diagonal does."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.logspace(-2, 2, 40)
    x = torch.randn(2000, 40, generator=generator) * scale
    true = torch.randn(3, 40, generator=generator) / scale
    y = x @ true.t() + torch.randn(2000, 3, generator=generator)
    weight = (
        torch.linalg.lstsq(x.double(), y.double()).solution.float().t().clone().requires_grad_()
    )
    statistic = SquaredGradients()
    for rows in torch.arange(2000).split(10):
        (gradient,) = torch.autograd.grad((x[rows] @ weight.t() - y[rows]).square().mean(), weight)
        statistic.add({"w": gradient})
    means, losses = statistic.mean(), {}
    for name in ("magnitude", "fisher:exponent=0.5,damping=0"):
        found = prune(
            {"w": weight.detach()}, {"w": "x"}, "class-blind", 0.5, score=name,
            statistics=means,
        )  # fmt: skip
        losses[name] = float((x @ (weight.detach() * found.masks["w"]).t() - y).square().mean())
    assert losses["fisher:exponent=0.5,damping=0"] < losses["magnitude"] / 4
