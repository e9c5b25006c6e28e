"""Tensor trains, beside their definition and tensorly."""

from itertools import product
from math import prod

import pytest
import torch

from fairseq_prune.factorization import TensorTrain, tensor_train
from fairseq_prune.pruning import PruneError


def matrix(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def by_definition(train):
    """Novikov et al. 2015, equation (4), element by element."""
    dense = torch.zeros(prod(train.rows), prod(train.columns))
    for i in product(*map(range, train.rows)):
        for j in product(*map(range, train.columns)):
            value = torch.eye(1)
            for core, i_k, j_k in zip(train.cores, i, j):
                value = value @ core[:, i_k, j_k, :]
            row = column = 0
            for i_k, m in zip(i, train.rows):
                row = row * m + i_k
            for j_k, n in zip(j, train.columns):
                column = column * n + j_k
            dense[row, column] = value
    return dense


@pytest.mark.parametrize("order", [1, 2, 3])
def test_matrix_is_that_of_the_definition(order):
    torch.manual_seed(1)
    train = TensorTrain(10, 15, rank=3, bias=True, order=order).init_(0.5)
    with torch.no_grad():
        expected = by_definition(train)[:15, :10]
        assert torch.allclose(train.matrix(), expected, atol=1e-6)
        x = matrix(4, 10)
        assert torch.allclose(train(x), x @ expected.T + train.bias, atol=1e-5)


def test_matrix_is_that_of_tensorly():
    tt_matrix = pytest.importorskip("tensorly.tt_matrix")
    train = TensorTrain(12, 30, rank=4).init_(0.5)
    expected = tt_matrix.tt_matrix_to_matrix([core.detach().numpy() for core in train.cores])
    assert torch.allclose(train.matrix(), torch.as_tensor(expected)[:30, :12], atol=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_decomposition_at_full_rank_is_the_matrix(order):
    pytest.importorskip("tensorly")
    weight, bias = matrix(22, 13), matrix(1, 22, 1)[0]
    train = TensorTrain.from_dense(weight, bias, rank=10**6, order=order)
    assert torch.allclose(train.matrix(), weight, atol=1e-5)
    assert torch.equal(train.bias, bias)
    sizes = [float(core.square().mean().sqrt()) for core in train.cores]
    assert max(sizes) == pytest.approx(min(sizes), rel=1e-4)


def test_error_is_within_the_bound_of_tt_svd():
    """Oseledets 2011, theorem 2.2: the singular values left out of all unfoldings are the
    most, those of any one of them the least."""
    pytest.importorskip("tensorly")
    weight = matrix(30, 12)
    train = TensorTrain.from_dense(weight, None, rank=5)
    (m1, m2, m3), (n1, n2, n3) = train.rows, train.columns
    tensor = weight.reshape(m1, m2, m3, n1, n2, n3).permute(0, 3, 1, 4, 2, 5)
    unfoldings = (
        tensor.reshape(m1 * n1, -1),
        tensor.reshape(m1 * n1 * m2 * n2, -1),
    )
    left_out = [torch.linalg.svdvals(u)[5:].square().sum() for u in unfoldings]
    error = float((train.matrix() - weight).norm().detach())
    assert float(max(left_out).sqrt()) - 1e-5 <= error <= float(sum(left_out).sqrt()) + 1e-5


def test_made_matrix_follows_its_cores():
    """In evaluation the matrix is made once; a changed core makes it anew."""
    train = TensorTrain(6, 8, rank=2).init_(0.5).eval()
    with torch.no_grad():
        first = train.matrix()
        assert train.matrix() is first
        train.cores[1].mul_(2)
        assert torch.allclose(train.matrix(), 2 * first)
        train.load_state_dict({name: 3 * p for name, p in train.state_dict().items()})
        assert torch.allclose(train.matrix(), 27 * 2 * first, rtol=1e-4)
        # as fairseq's optimizers do it: without a trace, between train() and eval()
        train.train()
        train.cores[0].data.mul_(5)
        assert torch.allclose(train.matrix(), 5 * 27 * 2 * first, rtol=1e-4)
        train.cores[0].data.div_(5)
        assert torch.allclose(train.eval().matrix(), 27 * 2 * first, rtol=1e-4)
    assert train.matrix().requires_grad


def test_initial_matrix_varies_as_a_dense_layer():
    torch.manual_seed(0)
    std = float(TensorTrain(300, 1200, 20).init_(0.1).matrix().std())
    assert std == pytest.approx(0.1 / 3**0.5, rel=0.1)


def test_ranks():
    assert tensor_train.train_ranks((8, 10, 10), (5, 5, 8), 35) == [1, 35, 35, 1]
    assert tensor_train.train_ranks((2, 3), (2, 2), 50) == [1, 4, 1]
    with pytest.raises(PruneError, match="rank 0 is out of range"):
        TensorTrain(6, 8, rank=0)


def test_without_tensorly(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tensorly.decomposition", None)
    with pytest.raises(PruneError, match="needs the package tensorly: pip install tensorly"):
        TensorTrain.from_dense(matrix(6, 4), None, 2)
