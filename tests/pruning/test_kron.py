"""Optimal brain surgeon with Kronecker factors, against Hassibi and Stork 1993, written out."""

import pytest
import torch

from fairseq_prune.pruning import Inputs, find_score, prune, scores_of
from fairseq_prune.pruning.kron import KroneckerFactors, compensate

ROWS, COLUMNS = 5, 12


@pytest.fixture(params=["one block", "blocks of 5"])
def width(request, monkeypatch):
    """Of the blocks that columns are cut to."""
    if request.param == "one block":
        return COLUMNS
    monkeypatch.setattr("fairseq_prune.pruning.kron.WIDEST", 5)
    return 4  # three blocks of at most 5


@pytest.fixture
def given(width):
    """A matrix, one row of which no gradient is seen of, and gradients of its loss."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(COLUMNS, COLUMNS, generator=generator)
    sizes = torch.tensor([3.0, 1.0, 0.3, 0.1, 0.0]).unsqueeze(1)
    statistic = KroneckerFactors()
    gradients = [
        sizes * torch.randn(ROWS, COLUMNS, generator=generator) @ mixing for _ in range(100)
    ]
    for gradient in gradients:
        statistic.add({"w": gradient})
    weight = torch.randn(ROWS, COLUMNS, generator=generator)
    return Inputs({"w": weight}, {"w": "x"}, {}, statistic.mean()), torch.stack(gradients).double()


def fisher_of(gradients, width, damping, guarded=False):
    """(row, columns) -> the damped factored Fisher matrix, from its definition."""
    mean = float(gradients.square().mean())
    for start in range(0, COLUMNS, width):
        columns = slice(start, start + width)
        g = gradients[:, :, columns]
        between = torch.einsum("bri,brj->ij", g, g) / len(g)
        for row in range(ROWS):
            own = float(g[:, row].square().sum() / len(g))
            if guarded:
                of_row = float(gradients[:, row].square().sum() / len(g))
                own = mean * (own / of_row * COLUMNS if of_row else width)
            matrix = own * between / between.trace() + damping * mean * torch.eye(width).double()
            yield (row, columns), matrix


@pytest.mark.parametrize("damping", [0.01, 0.5])
def test_the_score_is_what_hassibi_and_stork_expect_to_lose(given, width, damping):
    given, gradients = given
    scorer = find_score(f"kron:exponent=0.5,damping={damping}").scorers(given)["w"]
    found = scores_of(scorer, given.weights["w"]).double()
    for place, matrix in fisher_of(gradients, width, damping):
        w = given.weights["w"].double()[place]
        expected = (w.square() / torch.diagonal(torch.linalg.inv(matrix))).sqrt()
        assert torch.allclose(found[place], expected, rtol=2e-3)


def test_guarded_rows_count_alike(given, width):
    """The score and the update, of rows each as important as all are in the mean."""
    given, gradients = given
    scorer = find_score("kron:exponent=0.5,guard=x|y").scorers(given)["w"]
    found = scores_of(scorer, given.weights["w"]).double()
    mask = torch.rand(ROWS, COLUMNS, generator=torch.Generator().manual_seed(1)) > 0.6
    updated = compensate(given._replace(masks={"w": mask}), guard="x|y")["w"].double()
    for place, matrix in fisher_of(gradients, width, 0.1, guarded=True):
        w = given.weights["w"].double()[place]
        expected = (w.square() / torch.diagonal(torch.linalg.inv(matrix))).sqrt()
        assert torch.allclose(found[place], expected, rtol=2e-3)
        # where the loss is least, its gradient by each survivor is zero
        kept = mask[place]
        assert (matrix @ (updated[place] - w))[kept].abs().sum() < 1e-3 * matrix.abs().max()
    others = find_score("kron:exponent=0.5,guard=y").scorers(given)["w"]
    assert not torch.allclose(scores_of(others, given.weights["w"]).double(), found, rtol=0.1)


def test_what_was_pruned_before_plays_no_part(given, width):
    given, gradients = given
    gone = torch.rand(ROWS, COLUMNS, generator=torch.Generator().manual_seed(2)) < 0.4
    gone[1] = False  # one row is whole, one empty
    gone[2] = True
    weights = {"w": given.weights["w"] * ~gone}
    given = given._replace(weights=weights, masks={"w": ~gone})
    found = scores_of(find_score("kron:exponent=0.5").scorers(given)["w"], weights["w"]).double()
    assert not found[gone].any()
    for (row, columns), matrix in fisher_of(gradients, width, 0.1):
        left = (~gone)[row, columns]
        inverse = torch.linalg.inv(matrix[left][:, left])
        w = weights["w"].double()[row, columns][left]
        expected = (w.square() / torch.diagonal(inverse)).sqrt()
        assert torch.allclose(found[row, columns][left], expected, rtol=2e-3)


def test_one_weight_at_a_time_is_their_update(given, width):
    """Equation 5: dw = - w_q / [H^-1]_qq H^-1 e_q."""
    given, gradients = given
    for column in (1, COLUMNS - 1):
        mask = torch.ones(ROWS, COLUMNS, dtype=torch.bool)
        mask[1, column] = False
        found = compensate(given._replace(masks={"w": mask}))["w"].double()
        expected = given.weights["w"].double().clone()
        for (row, columns), matrix in fisher_of(gradients, width, 0.1):
            q = column - columns.start
            if row == 1 and 0 <= q < width:
                inverse = torch.linalg.inv(matrix)
                expected[row, columns] -= expected[row, column] / inverse[q, q] * inverse[:, q]
        assert torch.allclose(found, expected, atol=1e-4) and found[1, column] == 0


def test_the_survivors_are_where_the_quadratic_loss_is_least(given, width):
    given, gradients = given
    mask = torch.rand(ROWS, COLUMNS, generator=torch.Generator().manual_seed(1)) > 0.6
    mask[3] = False
    found = compensate(given._replace(masks={"w": mask}), damping=0.2)["w"].double()
    assert not found[~mask].any()
    for place, matrix in fisher_of(gradients, width, 0.2):
        change = found[place] - given.weights["w"].double()[place]
        # where it is least, the gradient by each survivor is zero
        assert (matrix @ change)[mask[place]].abs().sum() < 1e-3 * matrix.abs().max()


def test_where_outputs_and_inputs_are_independent_it_is_the_fisher_matrix_itself():
    """Of gradients u v^T, E[(u v)(u v)^T] = E[u^2] E[v v^T] for each row."""
    generator = torch.Generator().manual_seed(3)
    mixing, statistic, exact = torch.randn(6, 6, generator=generator), KroneckerFactors(), 0
    for _ in range(20_000):
        u = torch.tensor([2.0, 0.5]).unsqueeze(1) * torch.randn(2, 1, generator=generator)
        gradient = u * (torch.randn(1, 6, generator=generator) @ mixing)
        statistic.add({"w": gradient})
        exact = exact + gradient.unsqueeze(2) * gradient.unsqueeze(1) / 20_000
    weight = torch.randn(2, 6, generator=generator)
    inputs = Inputs({"w": weight}, {"w": "x"}, {}, statistic.mean())
    found = scores_of(find_score("kron:exponent=1,damping=0.001").scorers(inputs)["w"], weight)
    damping = 0.001 * exact.diagonal(dim1=1, dim2=2).mean() * torch.eye(6)
    inverse = torch.linalg.inv(exact + damping).diagonal(dim1=1, dim2=2)
    assert torch.allclose(found, weight.abs() / inverse, rtol=0.1)


def test_pruning_with_it_loses_less_than_without_the_update(given, width):
    given, gradients = given
    result = prune(given.weights, given.classes, "class-blind", 0.5, score="kron:exponent=0.5",
                   statistics=given.statistics)  # fmt: skip
    assert result.pruned == ROWS * COLUMNS // 2 and set(result.updated) == {"w"}

    def loss(weight):
        change = weight.double() - given.weights["w"].double()
        return sum(float(change[p] @ m @ change[p]) for p, m in fisher_of(gradients, width, 0.1))

    mask = result.masks["w"]
    assert loss(result.updated["w"]) < 0.95 * loss(given.weights["w"] * mask)
    assert torch.equal(result.updated["w"] != 0, mask)


@pytest.mark.parametrize("shape", [(4, 3, 5), (7,), (3, 0), (0, 3)])
def test_convolutions_vectors_and_matrices_without_elements(shape):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(4))
    other = torch.randn(3, 3, generator=torch.Generator().manual_seed(5))
    statistic = KroneckerFactors()
    for _ in range(3):
        statistic.add({"w": weight.sin(), "o": other.cos()})
    weights, classes = {"w": weight, "o": other}, {"w": "x", "o": "x"}
    result = prune(weights, classes, "class-blind", 0.5, score="kron", statistics=statistic.mean())
    assert result.updated["w"].shape == torch.Size(shape)
    assert result.pruned == round(0.5 * (weight.numel() + 9))
    for name, mask in result.masks.items():
        assert torch.equal(result.updated[name] != 0, mask)


@pytest.mark.parametrize("score", ["kron", "obs"])
def test_survivors_that_nothing_is_missing_beside_stay_as_they_are(score):
    """To the last digit, of float64 as well."""
    generator = torch.Generator().manual_seed(7)
    w = {"w": torch.randn(4, 60, dtype=torch.float64, generator=generator)}
    masks = {"w": torch.ones(4, 60, dtype=torch.bool)}
    masks["w"][0, :30] = False
    found = find_score(score)
    statistic = found.statistic()
    for _ in range(50):
        statistic.add({"w": torch.randn(4, 60, generator=generator)})
    updated = found.update(Inputs(w, {"w": "x"}, masks, statistic.mean()))["w"]
    assert updated.dtype == torch.float64
    assert torch.equal(updated[1:], w["w"][1:]) and not torch.equal(updated[0, 30:], w["w"][0, 30:])


@pytest.mark.parametrize("width", [50, 1024])
def test_without_damping_gradients_in_one_direction_are_no_trouble(width):
    """Their matrix has one eigenvalue that is not 0, and is inverted in float32."""
    generator = torch.Generator().manual_seed(6)
    statistic = KroneckerFactors()
    statistic.add({"w": torch.ones(4, 1) * torch.randn(width, generator=generator)})
    how = {"score": "kron:damping=0", "statistics": statistic.mean()}
    weights, masks = {"w": torch.randn(4, width, generator=generator)}, None
    for sparsity in (0.5, 0.75):
        result = prune(weights, {"w": "x"}, "class-blind", sparsity, masks, **how)
        weights, masks = result.updated, result.masks
        assert torch.isfinite(weights["w"]).all() and result.pruned == sparsity * 4 * width
