"""n:m patterns against a sort of each group in plain Python (Mishra et al. 2021)."""

import math

import pytest
import torch

from fairseq_prune.errors import options_begin_with
from fairseq_prune.pruning import (
    SCHEMES,
    PruneError,
    check_reachable,
    check_request,
    describe,
    find_scheme,
    make_record,
    masks_of,
    prune,
)

PATTERNS = [(2, 4), (1, 2), (1, 4), (3, 4), (1, 3), (7, 8), (5, 32), (31, 32)]
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def sparsity_of(n, m):
    return (m - n) / m


def oracle(weight, n, m, previous=None):
    """Sort each group by (pruned before first, magnitude, index); the first m - n are pruned."""
    values = [abs(x) for x in weight.double().reshape(-1).tolist()]
    kept = [True] * len(values) if previous is None else previous.reshape(-1).tolist()
    mask = torch.ones(len(values), dtype=torch.bool)
    for start in range(0, len(values), m):
        group = range(start, start + m)
        ranked = sorted(group, key=lambda i: (kept[i], values[i] if kept[i] else 0.0, i))
        mask[ranked[: m - n]] = False
    return mask.view(weight.shape)


def matrices(m, dtype=torch.float32, seed=0):
    """Matrices and kernels whose rows can be divided by ``m``, not always their last dimension."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "a": (1, m), "b": (7, 3 * m), "c": (5, m, 3), "d": (2, 3, 2 * m), "e": (0, m), "f": (4, 0),
    }  # fmt: skip
    return {name: torch.randn(*s, generator=generator).to(dtype) for name, s in shapes.items()}


def classes(weights):
    return {name: f"class {name}" for name in weights}


def pruned(weights, n, m, previous=None):
    return prune(weights, classes(weights), f"{n}:{m}", sparsity_of(n, m), previous)


def check(weights, n, m, previous=None):
    """The masks are the oracle's, the counts exact; returns the result."""
    result = pruned(weights, n, m, previous)
    assert list(result.masks) == list(weights)
    for name, weight in weights.items():
        mask = result.masks[name]
        assert torch.equal(mask, oracle(weight, n, m, previous and previous[name]))
        assert (mask.reshape(-1, m).sum(1) == n).all()
    total = sum(weight.numel() for weight in weights.values())
    assert (result.weights, result.pruned * m) == (total, total * (m - n))
    assert all(c.sparsity == sparsity_of(n, m) for c in result.classes if c.weights)
    return result


@pytest.mark.parametrize("n, m", PATTERNS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_masks_are_those_of_a_sort_of_each_group(n, m, dtype):
    for seed in range(3):
        check(matrices(m, dtype, seed), n, m)


@pytest.mark.parametrize("n, m", PATTERNS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_of_equal_magnitudes_the_earlier_goes_first(n, m, dtype):
    weights = {name: (2 * w.float()).round().to(dtype) for name, w in matrices(m).items()}
    weights["zeros"], weights["minus"] = torch.zeros(3, m), -torch.zeros(3, m)
    weights["same"] = torch.full((2, m), -0.5).to(dtype)
    result = check(weights, n, m)
    assert result.masks["same"][1].tolist() == [False] * (m - n) + [True] * n


def test_2_of_4_by_hand():
    w = torch.tensor([[4.0, -3, 2, -1, 1, 1, -1, 1], [0, -0.0, 0, 5, -9, 8, 9, -8]])
    result = check({"w": w}, 2, 4)
    assert result.masks["w"].int().tolist() == [[1, 1, 0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 0, 1, 0]]
    assert result.threshold == {"": 8.0} and result.scheme == "2:4"


@pytest.mark.parametrize("n, m", [(2, 4), (1, 3), (5, 32)])
@pytest.mark.parametrize("chunk", [1, 7, 33, 64])
def test_chunks_make_no_difference(n, m, chunk, chunk_of):
    chunk_of(chunk)
    weights = matrices(m)
    before = {name: torch.rand(w.shape) > 0.02 / m for name, w in weights.items()}
    check(weights, n, m)
    check(weights, n, m, before)


def test_no_more_than_a_chunk_at_a_time(chunk_of, monkeypatch):
    """What is ranked at once does not grow with the matrix."""
    chunk_of(100)
    sizes, sort = [], torch.Tensor.sort
    monkeypatch.setattr(
        torch.Tensor, "sort", lambda x, **kwargs: sizes.append(x.numel()) or sort(x, **kwargs)
    )
    pruned({"w": torch.randn(40, 64)}, 2, 32)
    assert max(sizes) == 96 and sum(sizes) == 40 * 64


def test_a_transposed_weight_is_divided_as_it_looks():
    weight = torch.randn(8, 6).t()
    assert not weight.is_contiguous()
    check({"w": weight}, 2, 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_masks_on_a_gpu_are_those_of_the_cpu(dtype):
    weights = {name: (9 * w).round() for name, w in matrices(4, dtype).items()}
    there = pruned({name: w.cuda() for name, w in weights.items()}, 2, 4)
    assert all(m.is_cuda for m in there.masks.values())
    here = pruned(weights, 2, 4)
    assert all(torch.equal(there.masks[n].cpu(), here.masks[n]) for n in weights)
    assert there.threshold == here.threshold


def test_weights_stay_as_they_are():
    weights = matrices(4)
    before = {name: w.clone() for name, w in weights.items()}
    pruned(
        weights, 2, 4, {name: torch.ones_like(w, dtype=torch.bool) for name, w in before.items()}
    )
    assert all(torch.equal(weights[name], before[name]) for name in weights)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_threshold_is_the_largest_pruned_magnitude(dtype):
    weights = matrices(8, dtype)
    result = pruned(weights, 3, 8)
    gone = {n: w[~result.masks[n]].abs().float() for n, w in weights.items() if w.numel()}
    assert result.threshold == {"": float(torch.cat(list(gone.values())).max())}
    largest = {c.name: c.largest_pruned for c in result.classes}
    assert all(largest[f"class {n}"] == float(sizes.max()) for n, sizes in gone.items())
    assert describe(result).startswith("pruned ") and "(62.50%), 3:8, threshold" in describe(result)


def test_a_record_gives_back_the_masks():
    weights = matrices(4)
    result = pruned(weights, 2, 4)
    again = masks_of(make_record(result, 0.5), weights)
    assert all(torch.equal(again[name], result.masks[name]) for name in weights)


class TestPrunedBefore:
    @pytest.mark.parametrize("n, m", [(2, 4), (1, 4), (3, 8), (4, 32)])
    def test_what_is_pruned_counts_first(self, n, m):
        for seed in range(5):
            weights = {name: w.round() for name, w in matrices(m, seed=seed).items()}
            # of another model's weights, so that kept zeros and large pruned ones are about
            other = matrices(m, seed=seed + 9)
            keep = n + (m - n) // 2
            before = pruned(other, keep, m).masks
            result = check(weights, n, m, before)
            assert not any((result.masks[name] & ~before[name]).any() for name in weights)

    def test_the_same_again_changes_nothing(self):
        weights = matrices(4)
        first = pruned(weights, 2, 4).masks
        weights = {name: 1 / w * first[name] for name, w in weights.items()}
        again = pruned(weights, 2, 4, first)
        assert all(torch.equal(again.masks[name], first[name]) for name in weights)
        assert again.threshold == {"": 0.0}

    def test_a_kept_zero_goes_before_kept_numbers(self):
        before = {"w": torch.tensor([[True, True, True, False]])}
        result = check({"w": torch.tensor([[3.0, 0.0, 0.0, 0.0]])}, 2, 4, before)
        assert result.masks["w"].tolist() == [[True, False, True, False]]

    def test_a_group_with_more_pruned_is_refused(self):
        before = {"x": torch.ones(2, 8, dtype=torch.bool), "y": torch.ones(2, 8, dtype=torch.bool)}
        before["y"][1, 4:7] = False
        weights = {"x": torch.randn(2, 8), "y": torch.randn(2, 8)}
        said = "^y has groups of 4 .* more than 2 .*start 2:4 from"
        with pytest.raises(PruneError, match=said):
            pruned(weights, 2, 4, before)
        with pytest.raises(PruneError, match=said):  # also where a run only begins
            check_reachable(weights, {"x": "c", "y": "c"}, "2:4", 0.5, before)
        check(weights, 1, 4, before)

    def test_more_pruned_altogether_is_refused(self):
        before = {"w": torch.zeros(2, 4, dtype=torch.bool)}
        with pytest.raises(PruneError, match="sparsity 0.5 is below"):
            pruned({"w": torch.randn(2, 4)}, 2, 4, before)


class TestRefusals:
    @pytest.mark.parametrize("flags", ["--prune-", "--", ""])
    @pytest.mark.parametrize(
        "pattern",
        "4:2 4:4 0:4 2:0 2:64 31:33 2:4:8 2: :4 : -2:4 2.0:4 a:b 02:4 2:04 ٢:٤ 100:200".split()
        + [" 2:4", "2 : 4", "2:4\n"],
    )
    def test_malformed_patterns(self, pattern, flags):
        with pytest.raises(PruneError) as error:
            with options_begin_with(flags):
                check_request(pattern, 0.5)
        shown = pattern.replace("\n", " ")  # in one line
        assert str(error.value).startswith(f"{flags}scheme {shown} is no pattern n:m; give")

    @pytest.mark.parametrize("x", [0.0, 0.4, 0.5 + 1e-8, 0.8, 1.0, -0.5, float("nan")])
    def test_another_sparsity(self, x):
        with pytest.raises(PruneError, match="^sparsity .*; give sparsity 0.5$"):
            prune({"w": torch.randn(2, 4)}, {"w": "c"}, "2:4", x)

    def test_the_number_to_give_can_be_given(self):
        for m in range(2, 33):
            for n in range(1, m):
                with pytest.raises(PruneError) as error:
                    check_request(f"{n}:{m}", 0.0)
                number = float(str(error.value).rsplit(" ", 1)[1])
                check_request(f"{n}:{m}", number)
                assert (
                    math.isclose(number, 1 - n / m) and find_scheme(f"{n}:{m}").sparsity == number
                )
        check_request("1:3", 0.6666666667)

    def test_an_unknown_scheme_names_patterns_too(self):
        # what YAML makes of 2:4 without quotes is 124
        with pytest.raises(PruneError, match='scheme 124 is unknown.*class-blind.*"2:4".*quotes'):
            check_request("124", 0.5)

    def test_rows_that_cannot_be_divided(self):
        weights = {"w": torch.randn(4, 4), "odd": torch.randn(4, 6), "bias": torch.randn(4)}
        with pytest.raises(PruneError, match=r"odd \(6\), bias \(1\); leave out .* with exclude"):
            pruned(weights, 2, 4)
        weights = {f"w{k}": torch.randn(4, 3) for k in range(5)}
        with pytest.raises(PruneError, match=r"w0 \(3\), w1 \(3\), w2 \(3\) and 2 more;"):
            pruned(weights, 2, 4)
        check({"kernel": torch.randn(3, 2, 2)}, 2, 4)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("bad", [float("nan"), -float("nan"), float("inf"), -float("inf")])
    @pytest.mark.parametrize("place", [0, 3, 5])
    def test_nan_and_infinity_by_name(self, dtype, bad, place):
        weights = {"fine": torch.ones(2, 4, dtype=dtype), "sick": torch.ones(2, 4, dtype=dtype)}
        weights["sick"].view(-1)[place] = bad
        with pytest.raises(PruneError, match="^sick holds NaN or infinite"):
            pruned(weights, 2, 4)


def test_a_scheme_of_that_name_comes_first(monkeypatch):
    monkeypatch.setitem(SCHEMES, "9:1", SCHEMES["class-blind"])
    assert find_scheme("9:1") is SCHEMES["class-blind"]
