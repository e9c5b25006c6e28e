"""Every kind of product against x @ W.T written out."""

import copy
import pickle

import numpy as np
import pytest
import torch
from matrices import sparse_matrix

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.checkpoints.packed.packed_model import PackedModel
from fairseq_prune.engine.library import find_library
from fairseq_prune.fairseq_fixes.reading import lazy_state
from fairseq_prune.pruning import PruneError
from fairseq_prune.runtime import products
from fairseq_prune.runtime.csr import csr
from fairseq_prune.runtime.products import KINDS, Dense, int8, sparse, sparse_where_smaller
from fairseq_prune.runtime.torch_products import TorchInt8, TorchSparse

engine_only = pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")
#: With the engine, and without.
ALL = [*KINDS.values(), TorchSparse, TorchInt8]
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
    whole = torch.cat(list(weights.values()), dim=1).float()
    x = torch.randn(5, 81)
    for kind in (sparse, TorchSparse):
        product = kind([read[name] for name in weights])
        assert torch.equal(product.dense(), whole)
        assert torch.allclose(product(x).double(), x.double() @ whole.double().t(), atol=1e-4)
    both = int8([read[name] for name in weights])
    allowed = rounding(x, both.dense())
    assert ((both(x) - x.double() @ both.dense().double().t()).abs() <= allowed).all()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9, 40])
@pytest.mark.parametrize("kind", [Dense, sparse, TorchSparse])
def test_product_is_that_of_the_matrix(kind, count, stored):
    weight = sparse_matrix(120, 77, 0.8)
    x = torch.randn(count, 77)
    y = kind([stored({"w": weight})["w"]])(x)
    assert y.shape == (count, 120) and y.is_contiguous()
    assert torch.allclose(y.double(), x.double() @ weight.double().t(), atol=1e-5)


@pytest.mark.parametrize("rows, columns", [(0, 7), (7, 0), (0, 0), (7, 5)])
@pytest.mark.parametrize("kind", ALL)
def test_matrices_and_vectors_without_an_element(kind, rows, columns, stored):
    product = kind([stored({"w": torch.zeros(rows, columns)})["w"]])
    for made in (product, copy.deepcopy(product)):
        assert torch.equal(made.dense(), torch.zeros(rows, columns))
        for count in (0, 1, 3, 9):
            assert torch.equal(made(torch.randn(count, columns)), torch.zeros(count, rows))


def rounded(weight):
    """By the equation of docs/packed_format.md: steps of the largest weight of the row over 127,
    which fp16 holds."""
    exact = weight.abs().amax(dim=1).double().numpy() / 127
    step = exact.astype(np.float16)
    step = np.where(step < exact, np.nextafter(step, np.float16(np.inf)), step).astype(np.float32)
    step = torch.from_numpy(step).unsqueeze(1)
    return (weight / step.clamp(min=1e-30)).round().clamp(-127, 127) * step


def rows_of_all_sizes(sparsity):
    weight = sparse_matrix(50, 64, sparsity) * torch.logspace(-3, 2, 50).unsqueeze(1)
    weight[3] = 0.0
    return weight


@engine_only
@pytest.mark.parametrize("sparsity", [0.2, 0.7])
def test_int8_rounds_each_output_channel(sparsity, stored):
    weight = rows_of_all_sizes(sparsity)
    product = int8([stored({"w": weight})["w"]])
    assert torch.equal(product.dense(), rounded(weight)) and product.kind == "int8"
    assert product.nbytes < 2 * weight.numel()
    x = torch.randn(5, 64)
    exact = x.double() @ product.dense().double().t()
    assert ((product(x) - exact).abs() <= rounding(x, product.dense())).all()


def rounding(x, weight):
    """What rounding x to 2047 steps to its largest magnitude can change of the product."""
    steps = x.abs().amax(dim=1, keepdim=True) / 2047
    return 0.5001 * steps.double() * weight.abs().double().sum(dim=1)


def test_int8_of_torch(stored):
    weight = rows_of_all_sizes(0.7)
    product = TorchInt8([stored({"w": weight})["w"]])
    step = weight.abs().amax(dim=1, keepdim=True) / 127
    error = (product.dense() - weight).abs()
    assert (error <= 0.5001 * step + 1e-12).all() and error.max() > 0
    assert (product.dense()[weight == 0] == 0).all(), "pruned weights stay zero"
    x = torch.randn(5, 64)
    y, exact = product(x), x @ product.dense().t()
    # x is rounded to 127 steps of its range; the errors of 64 roundings rarely add up
    allowed = (x.max() - x.min()) / 127 * product.dense().abs().sum(dim=1)
    assert ((y - exact).abs() <= allowed + 1e-6).all()


@engine_only
@pytest.mark.parametrize("values", ["fp16", "int8"])
@pytest.mark.parametrize("sparsity", [0.2, 0.7])
def test_what_was_rounded_in_its_file_is_not_rounded_again(values, sparsity, tmp_path):
    """And takes no more memory than it needs; copies are exact, too."""
    # rows so small that their largest weight, in steps of fp16, is not 127
    weight = rows_of_all_sizes(sparsity) * 1e-3
    torch.save({"model": {"w": weight}, "cfg": {}, "extra_state": {}}, tmp_path / "model.pt")
    path = str(tmp_path / "model.packed")
    pack_checkpoint(str(tmp_path / "model.pt"), path, values)
    packed = PackedModel(path)
    expected = rounded(weight) if values == "int8" else weight.half().float()
    assert torch.equal(packed.tensors["w"].decode(), expected)
    lazy = lazy_state(packed)["model"]["w"]
    of_a_file = [int8([lazy])] if values == "int8" else []
    if sparsity > 0.5:
        of_a_file.append(sparse([lazy]))
        assert of_a_file[-1].nbytes < 8 * int((weight != 0).sum()) + 50 * 16
    assert of_a_file or values == "fp16"
    for product in of_a_file:
        for same in (product, copy.deepcopy(product), pickle.loads(pickle.dumps(product))):
            assert torch.equal(same.dense(), expected)
            x = torch.randn(3, 64)
            # copies leave out what was rounded to zero: sums are in another order
            assert torch.allclose(same(x), product(x), rtol=1e-4)


@engine_only
def test_weights_that_int8_cannot_hold():
    for wrong in (float("nan"), float("inf"), 1e8):
        weight = torch.ones(3, 4)
        weight[1, 2] = wrong
        with pytest.raises(PruneError, match="not finite or too large for int8"):
            int8([weight])


@engine_only
def test_vectors_as_they_may_come():
    """In another order in memory, in another precision, with a gradient; of the wrong width."""
    weight = sparse_matrix(30, 20, 0.8)
    product = sparse([weight])
    x = torch.randn(20, 6).t()
    for given in (x, x.double(), x.contiguous().requires_grad_()):
        assert torch.allclose(product(given), x @ weight.t(), atol=1e-5)
    for wrong in (torch.randn(6, 19), torch.randn(6, 21)):
        with pytest.raises(RuntimeError):
            product(wrong)


@engine_only
def test_no_operator_of_torchs_that_is_going_away(monkeypatch):
    for name in ("TorchSparse", "TorchInt8"):
        monkeypatch.setattr(products, name, None)
    assert [KINDS[kind]([torch.eye(4)]).kind for kind in KINDS] == list(KINDS)


def test_without_the_engine_torch_has_products(monkeypatch):
    monkeypatch.setattr(products, "find_library", lambda: None)
    weight, x = sparse_matrix(30, 20, 0.8), torch.randn(4, 20)
    assert isinstance(sparse([weight]), TorchSparse) and isinstance(int8([weight]), TorchInt8)
    assert torch.allclose(sparse([weight])(x), x @ weight.t(), atol=1e-5)


def test_sparse_only_where_it_is_smaller():
    assert sparse_where_smaller([sparse_matrix(40, 40, 0.8)]).kind == "sparse"
    assert sparse_where_smaller([sparse_matrix(40, 40, 0.2)]).kind == "dense"
    # together they are one matrix
    both = [sparse_matrix(40, 40, 0.95), sparse_matrix(40, 40, 0.2)]
    assert sparse_where_smaller(both).kind == "sparse"


@pytest.mark.parametrize("kind", ALL)
def test_a_transposed_weight(kind):
    """As a checkpoint may hold one: not as it lies in memory."""
    weight = sparse_matrix(40, 30, 0.7)
    assert torch.equal(kind([weight.t().contiguous().t()]).dense(), kind([weight]).dense())
