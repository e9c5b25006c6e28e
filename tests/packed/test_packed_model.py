"""A checkpoint packed and read: the same but for what training needs."""

import pytest
import torch
from forged import content_of, taken_apart

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint, unpack_file
from fairseq_prune.pruning import PruneError, pack


def same(a, b):
    """Bit by bit, whatever the type of the numbers."""
    kinds = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    a, b = (x.reshape(-1).view(kinds[x.element_size()]) if x.numel() else x for x in (a, b))
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)


def unpacked(path):
    unpack_file(str(path), str(path) + ".pt")
    kwargs = {"weights_only": False} if torch.__version__ >= "2" else {}  # made by this test
    return torch.load(str(path) + ".pt", **kwargs)


def test_everything_comes_back_but_the_optimizer(packed):
    path, state = packed
    found = unpacked(path)
    assert list(found["model"]) == list(state["model"])
    for name, tensor in state["model"].items():
        assert found["model"][name].shape == tensor.shape and same(found["model"][name], tensor)
    assert found["args"] == state["args"] and found["cfg"] == state["cfg"]
    assert found["extra_state"]["best"] == float("inf")
    assert found["extra_state"]["seen"].tolist() == [0, 1, 2, 3, 4]
    record = state["last_optimizer_state"]["prune"]
    assert found["prune"]["masks"]["pruned"].tolist() == record["masks"]["pruned"].tolist()
    assert {k: v for k, v in found["prune"].items() if k != "masks"} == {
        k: v for k, v in record.items() if k != "masks"
    }
    assert set(found) == {"args", "cfg", "model", "extra_state", "prune"}


def test_tied_weights_are_stored_once_and_share_memory(packed):
    path, _ = packed
    header, _ = taken_apart(path)
    assert "tied" in header and not any(name.startswith("tied.too") for name in header)
    model = unpacked(path)["model"]
    assert model["tied"].data_ptr() == model["tied.too"].data_ptr()


@pytest.fixture
def pack_model(tmp_path):
    def do(model, **masks):
        state = {"model": model}
        if masks:
            state["prune"] = {
                "version": 1, "scheme": "class-blind", "sparsity": 0.5, "threshold": {},
                "masks": {n: pack(m) for n, m in masks.items()},
                "shapes": {n: list(m.shape) for n, m in masks.items()},
            }  # fmt: skip
        torch.save(state, str(tmp_path / "model.pt"))
        pack_checkpoint(str(tmp_path / "model.pt"), str(tmp_path / "model.packed"))
        return tmp_path / "model.packed"

    return do


def test_tied_weights_have_one_mask(pack_model):
    weight, mask = torch.ones(8, 9), torch.arange(72).view(8, 9) % 3 == 0
    weight[~mask] = 0
    found = unpacked(pack_model({"a": weight, "b": weight}, a=mask))
    assert list(found["prune"]["masks"]) == ["a"] and same(found["model"]["b"], weight)


def test_equal_weights_with_masks_of_their_own_keep_both(pack_model):
    torch.manual_seed(0)
    weight, one = torch.randn(8, 9), torch.rand(8, 9) > 0.5
    weight[~one] = 0
    weight[0, 0], other = 0, one.clone()
    one[0, 0], other[0, 0] = True, False  # a kept zero in one, pruned in the other
    found = unpacked(pack_model({"a": weight, "b": weight.clone()}, a=one, b=other))
    for name, mask in (("a", one), ("b", other)):
        assert same(found["model"][name], weight)
        assert found["prune"]["masks"][name].tolist() == pack(mask).tolist()


def test_equal_numbers_of_other_bits_are_not_tied(pack_model):
    zero = torch.ones(3, 4)
    zero[0, 0] = 0.0
    negative = zero.clone()
    negative[0, 0] = -0.0
    found = unpacked(pack_model({"a": zero, "b": negative}))["model"]
    assert same(found["a"], zero) and same(found["b"], negative)


@pytest.mark.parametrize("what", ["transposed", "part", "expanded"])
def test_tensors_that_do_not_own_their_memory(pack_model, what):
    base = torch.arange(600.0).view(20, 30) * (torch.arange(30) % 3 == 0)
    tensor = {"transposed": base.t(), "part": base[3:9, 5:7], "expanded": base[:1].expand(9, 30)}
    found = unpacked(pack_model({"w": tensor[what]}))["model"]["w"]
    assert found.tolist() == tensor[what].tolist()


@pytest.mark.parametrize("change", [-0.0, 1.0, float("nan")])
def test_what_was_changed_after_pruning_is_refused(pack_model, tmp_path, change):
    """Also -0.0: it could not come back."""
    weight, mask = torch.ones(4, 4), torch.ones(4, 4).bool()
    mask[1, 2], weight[1, 2] = False, change
    with pytest.raises(PruneError, match="w has weights that are not zero although its mask"):
        pack_model({"w": weight}, w=mask)
    assert [f.name for f in tmp_path.iterdir()] == ["model.pt"]


def test_a_type_that_no_file_can_hold(pack_model):
    with pytest.raises(PruneError, match="complex64 cannot be packed"):
        pack_model({"w": torch.ones(2, 2), "c": torch.ones(2, dtype=torch.complex64)})


def test_a_model_of_which_nothing_is_left(pack_model):
    """Read, it would be refused: do not write it."""
    with pytest.raises(PruneError, match="there is nothing left of it"):
        pack_model({"w": torch.zeros(3000, 3000)})


def test_names_in_any_language_and_of_any_length(pack_model):
    model = {name: torch.ones(2, 2) * k for k, name in enumerate(("größe", "層", "a b", "x" * 999))}
    path = pack_model(model)
    assert {n: w.tolist() for n, w in unpacked(path)["model"].items()} == {
        n: w.tolist() for n, w in model.items()
    }
    assert list(content_of(taken_apart(path)[0])["tensors"]) == list(model)
