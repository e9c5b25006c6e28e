"""Optimal brain surgeon in blocks, against Hassibi and Stork 1993 and least squares."""

import pytest
import torch

from fairseq_prune.pruning import Inputs, find_score, prune, scores_of
from fairseq_prune.pruning.obs import BLOCK, BlockFisher, compensate

ROWS, LENGTH = 3, BLOCK + 7


@pytest.fixture
def given():
    """One matrix, whose rows have a whole block and a part of one, and gradients of its loss."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(LENGTH, LENGTH, generator=generator)
    statistic = BlockFisher()
    gradients = [torch.randn(ROWS, LENGTH, generator=generator) @ mixing for _ in range(300)]
    for gradient in gradients:
        statistic.add({"w": gradient})
    weight = torch.randn(ROWS, LENGTH, generator=generator)
    return Inputs({"w": weight}, {"w": "x"}, {}, statistic.mean()), torch.stack(gradients).double()


def blocks_of(gradients, damping):
    """(row, columns) -> the damped Fisher block, from its definition."""
    mean = float(gradients.square().mean())
    for row in range(ROWS):
        for columns in (slice(0, BLOCK), slice(BLOCK, LENGTH)):
            g = gradients[:, row, columns]
            fisher = g.t() @ g / len(g)
            yield (row, columns), fisher + damping * mean * torch.eye(g.shape[1]).double()


@pytest.mark.parametrize("damping", [0.01, 0.5])
def test_the_score_is_what_hassibi_and_stork_expect_to_lose(given, damping):
    given, gradients = given
    scorer = find_score(f"obs:exponent=0.5,damping={damping}").scorers(given)["w"]
    found = scores_of(scorer, given.weights["w"]).double()
    for place, matrix in blocks_of(gradients, damping):
        w = given.weights["w"].double()[place]
        expected = (w.square() / torch.diagonal(torch.linalg.inv(matrix))).sqrt()
        assert torch.allclose(found[place], expected, rtol=1e-3)


def test_one_weight_at_a_time_is_their_update(given):
    """Equation 5: dw = - w_q / [H^-1]_qq H^-1 e_q."""
    given, gradients = given
    for column in (4, BLOCK - 1, BLOCK + 2):
        mask = torch.ones(ROWS, LENGTH, dtype=torch.bool)
        mask[1, column] = False
        found = compensate(given._replace(masks={"w": mask}), damping=0.1)["w"].double()
        expected = given.weights["w"].double().clone()
        for (row, columns), matrix in blocks_of(gradients, 0.1):
            q = column - columns.start
            if row == 1 and 0 <= q < len(matrix):
                inverse = torch.linalg.inv(matrix)
                expected[row, columns] -= expected[row, column] / inverse[q, q] * inverse[:, q]
        assert torch.allclose(found, expected, atol=1e-4) and found[1, column] == 0


def test_the_survivors_are_where_the_quadratic_loss_is_least(given):
    given, gradients = given
    mask = torch.rand(ROWS, LENGTH, generator=torch.Generator().manual_seed(1)) > 0.6
    found = compensate(given._replace(masks={"w": mask}), damping=0.2)["w"].double()
    assert not found[~mask].any()
    for place, matrix in blocks_of(gradients, 0.2):
        change = found[place] - given.weights["w"].double()[place]
        # where it is least, the gradient by each survivor is zero
        assert (matrix @ change)[mask[place]].abs().max() < 1e-3 * matrix.abs().max()


def test_what_was_pruned_before_plays_no_part(given):
    given, gradients = given
    gone = torch.zeros(ROWS, LENGTH, dtype=torch.bool)
    gone[:, ::3] = True
    weights = {"w": given.weights["w"] * ~gone}
    given = given._replace(weights=weights, masks={"w": ~gone})
    found = scores_of(find_score("obs:exponent=0.5").scorers(given)["w"], weights["w"]).double()
    for (row, columns), matrix in blocks_of(gradients, 0.1):
        left = (~gone)[row, columns]
        inverse = torch.linalg.inv(matrix[left][:, left])
        w = weights["w"].double()[row, columns][left]
        expected = (w.square() / torch.diagonal(inverse)).sqrt()
        assert torch.allclose(found[row, columns][left], expected, rtol=1e-3)


def test_pruning_with_it_loses_less_than_without_the_update(given):
    given, gradients = given
    result = prune(given.weights, given.classes, "class-blind", 0.5, score="obs:exponent=0.5",
                   statistics=given.statistics)  # fmt: skip
    assert result.pruned == round(0.5 * ROWS * LENGTH) and set(result.updated) == {"w"}

    def loss(weight):
        change = weight.double() - given.weights["w"].double()
        return sum(float(change[p] @ m @ change[p]) for p, m in blocks_of(gradients, 0.1))

    mask = result.masks["w"]
    assert loss(result.updated["w"]) < 0.7 * loss(given.weights["w"] * mask)
    assert torch.equal(result.updated["w"] != 0, mask)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (0,)])
@pytest.mark.parametrize("score", ["obs", "obs:guard=y"])
def test_a_matrix_without_elements_is_no_obstacle(given, shape, score):
    given, _ = given
    statistic = BlockFisher()
    statistic.add({"empty": torch.zeros(shape)})
    found = prune({**given.weights, "empty": torch.zeros(shape)}, {"w": "x", "empty": "y"},
                  "class-blind", 0.5, score=score,
                  statistics={**given.statistics, **statistic.mean()})  # fmt: skip
    alone = prune(given.weights, given.classes, "class-blind", 0.5, score="obs",
                  statistics=given.statistics)  # fmt: skip
    assert torch.equal(found.updated["w"], alone.updated["w"])
    assert found.updated["empty"].shape == found.masks["empty"].shape == shape


@pytest.mark.parametrize("options", ["damping=0", "damping=0,guard=."])
def test_blocks_far_above_the_mean_are_not_singular_undamped(options):
    generator = torch.Generator().manual_seed(0)
    statistic = BlockFisher()
    for _ in range(16):  # gradients along one direction, of one row above all
        gradient = torch.randn(1, LENGTH, generator=generator).expand(40, LENGTH).clone()
        gradient[1:] *= 1e-3
        statistic.add({"w": gradient})
    w = {"w": torch.randn(40, LENGTH, generator=generator)}
    given = {"score": f"obs:{options}", "statistics": statistic.mean()}
    first = prune(w, {"w": "x"}, "class-blind", 0.5, **given)
    assert first.pruned == round(0.5 * 40 * LENGTH) and torch.isfinite(first.updated["w"]).all()
    prune(w, {"w": "x"}, "class-blind", 0.7, first.masks, **given)
