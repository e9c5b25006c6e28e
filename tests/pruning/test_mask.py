import numpy as np
import pytest
import torch

from fairseq_prune.pruning import apply_, pack, sparsity, unpack

DTYPES = (torch.float32, torch.float16, torch.bfloat16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pruned_entries_become_positive_zero_whatever_they_were(dtype):
    inf, nan = float("inf"), float("nan")
    weight = torch.tensor([[nan, -1.0, -0.0], [inf, -inf, 7.0]], dtype=dtype)
    apply_(weight, torch.zeros(2, 3, dtype=torch.bool))
    assert (weight == 0).all() and not torch.signbit(weight).any()


def test_kept_entries_keep_every_bit():
    weight = torch.tensor([-0.0, float("nan"), -3.0, 1e-45, 4.0])
    before = weight.clone().view(torch.int32)
    apply_(weight, torch.tensor([True, True, False, True, True]))
    after = weight.view(torch.int32)
    assert after[2] == 0
    assert after[[0, 1, 3, 4]].tolist() == before[[0, 1, 3, 4]].tolist()


def test_the_place_of_an_entry_is_that_of_its_mask():
    weight = torch.arange(1.0, 13.0).view(3, 4)
    mask = torch.arange(12).view(3, 4) % 5 != 0
    apply_(weight, mask)
    assert weight.tolist() == [[0, 2, 3, 4], [5, 0, 7, 8], [9, 10, 0, 12]]


def test_a_transposed_weight_is_masked_in_its_own_memory():
    storage = torch.ones(2, 3)
    apply_(storage.t(), torch.tensor([[True, False], [True, True], [False, True]]))
    assert storage.tolist() == [[1, 1, 0], [0, 1, 1]]


def test_a_parameter_is_masked_in_place_and_can_still_learn():
    weight = torch.nn.Parameter(torch.ones(2, 2))
    place = weight.data_ptr()
    apply_(weight, torch.eye(2, dtype=torch.bool))
    assert weight.data_ptr() == place and weight.is_leaf and weight.requires_grad
    assert weight.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("length", range(21))
def test_pack_and_unpack_are_inverse(length):
    torch.manual_seed(length)
    mask = torch.rand(length) > 0.5
    packed = pack(mask)
    assert packed.dtype == torch.uint8
    # numpy's packing is the independent word on the order of bits
    assert packed.tolist() == np.packbits(mask.numpy(), bitorder="little").tolist()
    restored = unpack(packed, (length,))
    assert restored.dtype == torch.bool and torch.equal(restored, mask)


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 3, 7), (0, 4), (17, 1), (8, 8)])
def test_shapes_come_back(shape):
    torch.manual_seed(0)
    mask = torch.rand(shape) > 0.5
    restored = unpack(pack(mask), shape)
    assert restored.shape == mask.shape and torch.equal(restored, mask)


def test_a_transposed_mask_is_packed_as_it_looks():
    mask = (torch.arange(15).view(3, 5) % 4 == 0).t()
    assert torch.equal(unpack(pack(mask), (5, 3)), mask)


def test_eight_entries_take_one_byte():
    assert pack(torch.ones(1000, 8, dtype=torch.bool)).numel() == 1000


@pytest.mark.parametrize("count, shape", [(1, (9,)), (3, (9,)), (0, (1,)), (1, (0,)), (2, (2, 4))])
def test_a_wrong_number_of_bytes_is_refused(count, shape):
    with pytest.raises(ValueError, match=f"{count} bytes"):
        unpack(torch.zeros(count, dtype=torch.uint8), shape)


def test_bytes_of_another_type_are_refused():
    with pytest.raises(ValueError):
        unpack(torch.zeros(2, dtype=torch.int64), (9,))


def test_sparsity_is_pruned_over_prunable():
    masks = {"a": torch.tensor([[True, False], [False, False]]), "b": torch.ones(4).bool()}
    assert sparsity(masks) == 3 / 8
    assert sparsity({}) == 0.0


@pytest.mark.parametrize("dtype", [*DTYPES, torch.float64])
def test_weights_larger_than_a_chunk_are_masked_to_the_last(dtype):
    count = 2 * (1 << 16) + 3
    torch.manual_seed(0)
    weight, mask = torch.randn(count).to(dtype), torch.rand(count) < 0.5
    expected = [w if keep else 0.0 for w, keep in zip(weight.tolist(), mask.tolist())]
    apply_(weight, mask)
    assert weight.tolist() == expected


def test_a_part_of_a_larger_tensor_is_masked_alone():
    whole = torch.ones(10)
    apply_(whole[3:7].view(2, 2), torch.tensor([[True, False], [False, True]]))
    assert whole.tolist() == [1, 1, 1, 1, 0, 0, 1, 1, 1, 1]


def test_a_mask_of_another_size_is_refused():
    with pytest.raises((RuntimeError, ValueError)):
        apply_(torch.ones(4), torch.ones(3, dtype=torch.bool))
