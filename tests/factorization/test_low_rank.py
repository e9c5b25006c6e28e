"""Low rank, beside numpy's singular values."""

import numpy
import pytest
import torch

from fairseq_prune.factorization import LowRank, LowRankEmbedding
from fairseq_prune.pruning import PruneError


def matrix(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(9, 5), (5, 9), (6, 6)])
@pytest.mark.parametrize("rank", [1, 3, 5])
def test_error_is_that_of_eckart_and_young(shape, rank):
    """No matrix of that rank is closer: the error is that of the singular values left out."""
    weight = matrix(*shape)
    small = LowRank.from_dense(weight, None, rank)
    left_out = numpy.linalg.svd(weight.double().numpy(), compute_uv=False)[rank:]
    error = float((small.matrix() - weight).double().norm())
    assert error == pytest.approx(numpy.sqrt((left_out**2).sum()), abs=1e-5)
    assert int(numpy.linalg.matrix_rank(small.matrix().detach().numpy(), tol=1e-4)) == rank


def test_factors_are_of_one_size():
    small = LowRank.from_dense(matrix(40, 10), None, 4)
    assert float(small.left.weight.norm()) == pytest.approx(float(small.right.weight.norm()), 1e-5)


def test_forward_is_the_matrix_and_the_bias():
    weight, bias, x = matrix(7, 4), matrix(1, 7, 1)[0], matrix(3, 4, 2)
    small = LowRank.from_dense(weight, bias, 2)
    expected = x @ (small.left.weight @ small.right.weight).T + bias
    assert torch.allclose(small(x), expected, atol=1e-6)
    z, thin = small.reduce(x)
    assert z.shape == (3, 2) and torch.allclose(z @ thin.T + bias, expected, atol=1e-6)
    # at full rank, the dense layer itself
    assert torch.allclose(LowRank.from_dense(weight, bias, 4)(x), x @ weight.T + bias, atol=1e-5)


def test_embedding():
    table = matrix(11, 6)
    table[1] = 0
    small = LowRankEmbedding.from_dense(table, 6, padding_idx=1)
    words = torch.tensor([[0, 1, 10], [3, 3, 2]])
    assert torch.allclose(small(words), table[words], atol=1e-5)
    assert torch.equal(small(torch.tensor([1])), torch.zeros(1, 6))
    assert small.table.weight.shape == (11, 6)


def test_initial_products_vary_as_a_dense_layer():
    torch.manual_seed(0)
    std = float(LowRank(300, 900, 40).init_(0.1).matrix().std())
    assert std == pytest.approx(0.1 / 3**0.5, rel=0.03)
    embedding = LowRankEmbedding(900, 300, 40, 1).init_(0.1)
    assert float(embedding(torch.arange(2, 900)).std()) == pytest.approx(0.1 / 3**0.5, rel=0.05)
    assert not embedding.table.weight[1].any()


@pytest.mark.parametrize("rank", [0, -1, 5])
def test_ranks_out_of_range(rank):
    with pytest.raises(PruneError, match=f"rank {rank} is out of range .* 7 x 4.* 1 to 4"):
        LowRank(4, 7, rank)
