"""select_lowest against a full sort by (score, parameter order, index)."""

import pytest
import torch

from fairseq_prune.pruning import Inputs, PruneError, magnitude, select_lowest

pytestmark = pytest.mark.usefixtures("few")

DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def select(weights, k):
    return select_lowest(weights, magnitude(Inputs(weights, {})), k)


def check(weights, k, brute_force):
    scores = {n: [abs(v) for v in w.double().reshape(-1).tolist()] for n, w in weights.items()}
    masks, threshold = select(weights, k)
    expected = brute_force(scores, k)
    assert list(masks) == list(weights)
    for name, weight in weights.items():
        assert masks[name].dtype == torch.bool and masks[name].shape == weight.shape
        assert masks[name].reshape(-1).tolist() == expected[name].tolist(), name
    assert threshold == (sorted(sum(scores.values(), []))[k - 1] if k else 0.0)


def random_weights(dtype, seed=0):
    torch.manual_seed(seed)
    shapes = {"b": (7, 5), "a": (3, 11), "c": (2, 3, 4), "d": (1, 1)}
    return {name: torch.randn(shape).to(dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [0, 1, 2, 46, 92, 93])
def test_random_weights(dtype, k, brute_force):
    check(random_weights(dtype), k, brute_force)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_k_with_many_ties_and_both_signs(dtype, brute_force):
    torch.manual_seed(1)
    weights = {
        "y": (torch.randint(-3, 4, (5, 4)) / 4).to(dtype),
        "x": (torch.randint(-3, 4, (9,)) / 4).to(dtype),
    }
    for k in range(30):
        check(weights, k, brute_force)


@pytest.mark.parametrize("value", [0.0, -0.0, 0.1, -2.0, 1e-45])
def test_equal_weights_go_in_the_order_of_parameters_then_index(value):
    # z before a: the order given, not the alphabet
    weights = {"z": torch.full((2, 2), value), "a": torch.full((3,), value)}
    masks, _ = select(weights, 5)
    assert masks["z"].tolist() == [[False, False], [False, False]]
    assert masks["a"].tolist() == [False, True, True]


def test_zero_and_negative_zero_tie():
    masks, threshold = select({"w": torch.tensor([-0.0, 1.0, 0.0, -0.0, 0.0])}, 2)
    assert masks["w"].tolist() == [False, True, False, True, True]
    assert threshold == 0.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_denormals_are_told_apart(dtype, brute_force):
    tiny = torch.finfo(dtype).tiny * torch.finfo(dtype).eps  # the smallest denormal
    steps = torch.tensor([3.0, -1.0, 0.0, 2.0, 1.0, 5.0, -4.0, 1.0], dtype=torch.float64)
    weight = (steps * tiny).to(dtype)
    assert weight.double().unique().numel() == 7
    for k in range(9):
        check({"w": weight}, k, brute_force)


def test_scores_that_differ_in_one_half_of_their_bits_only(brute_force):
    # neighbours in the lower 16 bits, on both sides of a carry into the upper ones
    bits = torch.tensor([0x3F80FFFF, 0x3F810000, 0x3F80FFFE, 0x3F810001, 0x3F7FFFFF, 0x3F800000])
    weights = {"w": bits.to(torch.int32).view(torch.float32)}
    for k in range(7):
        check(weights, k, brute_force)


def test_extreme_magnitudes(brute_force):
    largest = torch.finfo(torch.float32).max
    weights = {"w": torch.tensor([largest, 1e-45, -largest, 0.0, 1.0, -1e-38])}
    for k in range(7):
        check(weights, k, brute_force)


@pytest.mark.parametrize("chunk", [1, 4, 5, 8])
def test_chunks_make_no_difference(chunk, chunk_of, brute_force):
    chunk_of(chunk)
    torch.manual_seed(2)
    weights = {f"w{n}": torch.randint(-2, 3, (n,)).float() for n in (3, 4, 5, 7, 8, 9, 0, 1)}
    for k in range(38):
        check(weights, k, brute_force)


def test_weights_larger_than_a_chunk(brute_force):
    from fairseq_prune.pruning.pieces import CHUNK

    torch.manual_seed(3)
    weight = torch.randint(-500, 501, (CHUNK + 3,)).float()
    k = 100_000
    masks, threshold = select({"w": weight}, k)
    order = torch.sort(weight.abs(), stable=True).indices
    expected = torch.ones(CHUNK + 3, dtype=torch.bool)
    expected[order[:k]] = False
    assert torch.equal(masks["w"], expected)
    assert threshold == float(weight.abs()[order[k - 1]])


def test_a_transposed_weight_is_indexed_as_it_looks(brute_force):
    torch.manual_seed(4)
    weight = torch.randint(-2, 3, (4, 6)).float().t()
    assert not weight.is_contiguous()
    for k in range(25):
        check({"w": weight}, k, brute_force)


def test_weights_are_left_alone():
    weights = random_weights(torch.float32)
    before = {name: weight.clone() for name, weight in weights.items()}
    select(weights, 40)
    assert all(torch.equal(weights[name], before[name]) for name in weights)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [float("nan"), -float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("k", [0, 5])
def test_nan_and_infinity_are_refused_by_name(dtype, bad, k):
    weights = {"fine": torch.ones(3).to(dtype), "encoder.sick": torch.ones(2, 3).to(dtype)}
    weights["encoder.sick"][1, 2] = bad
    with pytest.raises(PruneError, match=r"encoder\.sick"):
        select(weights, k)


@pytest.mark.parametrize("k", [-1, 7])
def test_more_than_there_are_cannot_be_selected(k):
    with pytest.raises(ValueError, match="6"):
        select({"w": torch.ones(6)}, k)


def test_the_nan_of_a_division_is_no_negative_score():
    """0/0 has its sign set on most processors."""
    weights = {"a": torch.ones(3), "b": torch.zeros(2)}
    nan = -torch.full((3,), float("nan"))
    scorers = {"a": lambda piece, at: nan[at : at + len(piece)], "b": lambda piece, at: piece}
    with pytest.raises(PruneError, match="a has NaN or infinite scores, although its weights"):
        select_lowest(weights, scorers, 2)


def test_scores_that_are_others_each_time_are_refused():
    asked = []

    def scorer(piece, at):
        asked.append(at)
        return torch.full_like(piece, float(1 + len(asked) // 2))

    weights = {"a": torch.ones(8), "b": torch.ones(8)}
    with pytest.raises(PruneError, match="the same numbers"):
        select_lowest(weights, {"a": scorer, "b": scorer}, 5)
