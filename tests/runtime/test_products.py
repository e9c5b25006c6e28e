"""Every kind of product against x @ W.T written out."""

import copy

import pytest
import torch
from matrices import sparse_matrix

from fairseq_prune.runtime.csr import csr
from fairseq_prune.runtime.products import KINDS, Dense, Int8, Sparse, sparse_where_smaller

SHAPES = [(1, 1), (7, 13), (64, 33), (300, 5000), (2000, 700)]


@pytest.mark.parametrize("rows, columns", SHAPES)
@pytest.mark.parametrize("sparsity", [0.0, 0.8, 0.999])
def test_csr_is_the_matrix(rows, columns, sparsity, stored):
    weight = sparse_matrix(rows, columns, sparsity)
    found = csr([stored({"w": weight})["w"]])
    # a packed matrix that is not smaller for its zeros stores them
    assert found.start[-1] == found.values.size >= int((weight != 0).sum())
    dense = torch.zeros_like(weight)
    for row in range(rows):
        part = slice(found.start[row], found.start[row + 1])
        dense[row, torch.from_numpy(found.columns[part]).long()] = torch.from_numpy(
            found.values[part]
        )
    assert torch.equal(dense, weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_matrices_beside_each_other(dtype, stored):
    weights = {
        "a": sparse_matrix(40, 30, 0.9, dtype, seed=1),
        "b": sparse_matrix(40, 50, 0.7, dtype, seed=2),
        "c": sparse_matrix(40, 1, 0.5, dtype, seed=3),
    }
    read = stored(weights)
    product = Sparse([read[name] for name in weights])
    assert torch.equal(product.dense(), torch.cat(list(weights.values()), dim=1).float())


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9, 40])
@pytest.mark.parametrize("kind", [Dense, Sparse])
def test_product_is_that_of_the_matrix(kind, count, stored):
    weight = sparse_matrix(120, 77, 0.8)
    x = torch.randn(count, 77)
    y = kind([stored({"w": weight})["w"]])(x)
    assert y.shape == (count, 120) and y.is_contiguous()
    assert torch.allclose(y.double(), x.double() @ weight.double().t(), atol=1e-5)


@pytest.mark.parametrize("rows, columns", [(0, 7), (7, 0), (0, 0), (7, 5)])
@pytest.mark.parametrize("kind", list(KINDS))
def test_matrices_and_vectors_without_an_element(kind, rows, columns, stored):
    product = KINDS[kind]([stored({"w": torch.zeros(rows, columns)})["w"]])
    for made in (product, copy.deepcopy(product)):
        assert torch.equal(made.dense(), torch.zeros(rows, columns))
        for count in (0, 1, 3, 9):
            assert torch.equal(made(torch.randn(count, columns)), torch.zeros(count, rows))


def test_int8_rounds_each_output_channel(stored):
    weight = sparse_matrix(50, 64, 0.7) * torch.logspace(-3, 2, 50).unsqueeze(1)
    weight[3] = 0.0
    product = Int8([stored({"w": weight})["w"]])
    step = weight.abs().amax(dim=1, keepdim=True) / 127
    error = (product.dense() - weight).abs()
    assert (error <= 0.5001 * step + 1e-12).all() and error.max() > 0
    assert (product.dense()[weight == 0] == 0).all(), "pruned weights stay zero"
    x = torch.randn(5, 64)
    y, exact = product(x), x @ product.dense().t()
    # x is rounded to 127 steps of its range; the errors of 64 roundings rarely add up
    allowed = (x.max() - x.min()) / 127 * product.dense().abs().sum(dim=1)
    assert ((y - exact).abs() <= allowed + 1e-6).all()


def test_sparse_only_where_it_is_smaller():
    assert isinstance(sparse_where_smaller([sparse_matrix(40, 40, 0.8)]), Sparse)
    assert isinstance(sparse_where_smaller([sparse_matrix(40, 40, 0.2)]), Dense)
    # together they are one matrix
    both = [sparse_matrix(40, 40, 0.95), sparse_matrix(40, 40, 0.2)]
    assert isinstance(sparse_where_smaller(both), Sparse)


@pytest.mark.parametrize("kind", [Dense, Sparse, Int8])
def test_a_transposed_weight(kind):
    """As a checkpoint may hold one: not as it lies in memory."""
    weight = sparse_matrix(40, 30, 0.7)
    assert torch.equal(kind([weight.t().contiguous().t()]).dense(), kind([weight]).dense())
