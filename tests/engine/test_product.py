"""The kernels, against numpy in double precision."""

import ctypes

import numpy as np
import pytest

from fairseq_prune.engine.library import KINDS, Stored, find_library

pytestmark = pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")

#: Columns at once: one, a beam, more, several panels and a part of one.
COLUMNS = (1, 2, 5, 8, 9, 16, 37)


def in_memory(weight: np.ndarray, scales=None) -> Stored:
    kind = {"float32": "F32", "float16": "F16", "int8": "I8"}[weight.dtype.name]
    address = 0 if scales is None else scales.ctypes.data
    values = weight.ctypes.data
    return Stored(-1, *weight.shape, KINDS[kind], 0, -1, values, weight.nbytes, address)


def multiplied(stored: Stored, x: np.ndarray, dense_above: float) -> np.ndarray:
    """x (N, K) times W^T, and W itself as the engine reads its rows."""
    library = find_library()
    product = ctypes.c_void_p(library.engine_product_new(ctypes.byref(stored), dense_above))
    y = np.full((len(x), stored.rows), np.nan, np.float32)
    rows = np.full((stored.rows, stored.columns), np.nan, np.float32)
    assert library.engine_product(product, x.ctypes.data, len(x), y.ctypes.data) == 0
    assert library.engine_product_rows(product, 0, stored.rows, rows.ctypes.data) == 0
    assert library.engine_product_is_sparse(product) == (dense_above > 1)
    library.engine_product_free(product)
    return y, rows


@pytest.fixture(params=["sparse", "dense"])
def dense_above(request):
    return {"sparse": 1.5, "dense": 0.0}[request.param]


def pruned(shape, density, seed=0):
    random = np.random.default_rng(seed)
    weight = random.standard_normal(shape).astype(np.float32)
    weight[random.random(shape) >= density] = 0
    return weight


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (64, 33), (130, 1030), (401, 256)])
@pytest.mark.parametrize("density", [0.003, 0.1, 0.7, 1.0])
def test_fp32(shape, density, dense_above):
    weight = pruned(shape, density)
    for columns in COLUMNS:
        x = np.random.default_rng(columns).standard_normal((columns, shape[1])).astype(np.float32)
        y, rows = multiplied(in_memory(weight), x, dense_above)
        wanted = x.astype(np.float64) @ weight.T.astype(np.float64)
        scale = np.abs(x).astype(np.float64) @ np.abs(weight.T)
        assert np.all(np.abs(y - wanted) <= 1e-6 * scale + 1e-30)
        assert np.array_equal(rows, weight)


def test_empty_rows_and_long_gaps(dense_above):
    weight = np.zeros((9, 2000), np.float32)
    weight[2, 1999], weight[4, [0, 255, 511, 1300]], weight[8, 256] = 2, [1, 2, 3, 4], 5
    x = np.arange(8000, dtype=np.float32).reshape(4, 2000)
    y, rows = multiplied(in_memory(weight), x, dense_above)
    assert np.array_equal(y, x @ weight.T)
    assert np.array_equal(rows, weight)


def test_nothing_kept(dense_above):
    x = np.ones((3, 5), np.float32)
    y, rows = multiplied(in_memory(np.zeros((4, 5), np.float32)), x, dense_above)
    assert not y.any() and not rows.any()


def test_fp16(dense_above):
    weight = pruned((37, 300), 0.3).astype(np.float16)
    weight[0, :4] = [2**-24, 65504, -(2**-15), -0.0]  # subnormal, largest, least normal
    x = np.random.default_rng(1).standard_normal((6, 300)).astype(np.float32)
    x[:, :4] = 1
    y, rows = multiplied(in_memory(weight), x, dense_above)
    assert np.array_equal(rows, weight.astype(np.float32))
    np.testing.assert_allclose(y, x @ weight.astype(np.float32).T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("width", [1, 15, 500])
def test_int8(dense_above, columns, width):
    """Sparse: exact but for rounding; dense: x is rounded to 2047 steps, half of one at most."""
    random = np.random.default_rng(2)
    weight = random.integers(-127, 128, (41, width)) * (random.random((41, width)) < 0.2)
    weight, scales = weight.astype(np.int8), random.random(41).astype(np.float16)
    x = random.standard_normal((columns, width)).astype(np.float32)
    x[columns // 2] *= 1000
    y, rows = multiplied(in_memory(weight, scales), x, dense_above)
    wanted = weight * scales.astype(np.float32)[:, None]
    assert np.array_equal(rows, wanted)
    steps = np.abs(x).max(axis=1, keepdims=True) / 2047
    sizes = np.abs(wanted.astype(np.float64)).sum(axis=1)
    bound = (0.5001 * steps if dense_above == 0 and columns > 1 else 1e-6 * 2047 * steps) * sizes
    assert np.all(np.abs(y - x.astype(np.float64) @ wanted.T) <= bound + 1e-30)


def test_threads_make_no_difference():
    library, weight = find_library(), pruned((5000, 400), 0.1)
    x = np.random.default_rng(3).standard_normal((5, 400)).astype(np.float32)
    found = []
    for count in (1, 2, 3, 7):
        library.engine_threads(count)
        found.append(multiplied(in_memory(weight), x, 1.5)[0])
    library.engine_threads(2)
    assert all(np.array_equal(y, found[0]) for y in found)
