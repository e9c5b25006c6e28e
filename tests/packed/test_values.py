"""--values: what becomes of the weights, by the equations and no more."""

import numpy as np
import pytest
import torch
from forged import taken_apart

from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.checkpoints.packed.packed_model import PackedModel
from fairseq_prune.pruning import PruneError, pack

#: Every fp16 number from 0 to 65504.
HALVES = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)


@pytest.fixture
def packed_as(tmp_path):
    """Packs a model; gives what is decoded, and the file."""

    def do(model, values, **state):
        torch.save({"model": model, **state}, str(tmp_path / "model.pt"))
        path = tmp_path / f"{values}.packed"
        pack_checkpoint(str(tmp_path / "model.pt"), str(path), values)
        return PackedModel(str(path)).decode(), path

    return do


def sparse(*shape, scale=1.0, seed=0):
    torch.manual_seed(seed)
    weight = torch.randn(*shape) * scale
    return weight.masked_fill(torch.rand(*shape) > 0.3, 0.0)


def stored(path, name, dtype):
    """The numbers of an entry, taken from the file by hand."""
    header, data = taken_apart(path)
    begin, end = header[name]["data_offsets"]
    return np.frombuffer(data[begin:end], dtype)


def scales_of(weight):
    """The smallest fp16 number that is not below the largest magnitude of a row over 127."""
    largest = weight.double().abs().reshape(len(weight), -1).max(dim=1)[0].numpy() / 127
    return HALVES[np.searchsorted(HALVES, largest)]


def assert_same_bits(a, b):
    kind = {8: torch.int64, 4: torch.int32, 2: torch.int16}[a.element_size()]
    assert a.dtype == b.dtype and torch.equal(a.view(kind), b.view(kind))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fp16_is_that_of_torch(packed_as, dtype):
    inf = float("inf")
    model = {
        "w": sparse(40, 30, scale=1e-4).to(dtype), "dense": torch.randn(5, 7, 3, dtype=dtype),
        "odd": torch.tensor([[inf, -inf, -0.0], [65519.0, 1e-9, 0.0]], dtype=dtype),
        "bias": torch.randn(9, dtype=dtype) * 1e9, "count": torch.tensor([[7]]),
    }  # fmt: skip
    found, _ = packed_as(model, "fp16")
    for name, weight in model.items():
        matrix = weight.dim() >= 2 and weight.is_floating_point()
        assert_same_bits(found[name], weight.half().to(dtype) if matrix else weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_in_half_precision_is_not_changed_by_fp16(packed_as, dtype):
    model = {"w": (sparse(20, 30) * 1e4).to(dtype), "dense": torch.randn(3, 5).to(dtype)}
    found, path = packed_as(model, "fp16")
    for name, weight in model.items():
        assert_same_bits(found[name], weight)
    exact = packed_as(model, "exact")[1]
    assert taken_apart(path)[1] == taken_apart(exact)[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("scale", [1e-7, 1e-3, 0.1, 100.0])
def test_int8_is_the_equation(packed_as, dtype, scale):
    rows = torch.logspace(-3, 2, 40).unsqueeze(1) * scale
    model = {"w": (sparse(40, 60) * rows).to(dtype), "conv": torch.randn(6, 5, 4).to(dtype)}
    model["w"][3] = 0
    found, path = packed_as(model, "int8")
    for name, weight in model.items():
        scales = scales_of(weight)
        assert stored(path, f"{name}:scales", "<f2").astype(float).tolist() == scales.tolist()
        flat = weight.float().numpy().reshape(len(weight), -1)
        s = scales.astype(np.float32)[:, None]
        q = np.rint(np.divide(flat, s, out=np.zeros_like(flat), where=s > 0))
        assert np.abs(q).max() <= 127
        # rounded to -0.0, a weight is kept
        kept = np.ones_like(flat, bool) if name == "conv" else (flat != 0) | np.signbit(flat)
        numbers = stored(path, name if name == "conv" else f"{name}:values", "i1")
        assert numbers.tolist() == q[kept].tolist()
        product = torch.from_numpy(q * s).view(weight.shape).to(dtype)
        assert found[name].dtype == dtype and torch.equal(found[name], product)


def test_int8_is_off_by_half_a_step_at_most(packed_as):
    weight = sparse(200, 50) * torch.logspace(-4, 3, 200).unsqueeze(1)
    found, _ = packed_as({"w": weight}, "int8")
    error = (found["w"].double() - weight.double()).abs().numpy()
    assert (error <= scales_of(weight)[:, None] * (0.5 + 1e-5)).all() and error.max() > 0
    assert not found["w"][weight == 0].any()


@pytest.mark.parametrize("values", ["exact", "fp16", "int8"])
def test_biases_norms_and_integers_stay_as_they_are(packed_as, values):
    torch.manual_seed(0)
    model = {"b": torch.randn(40) * 1e7, "s": torch.tensor(1 / 3), "i": torch.arange(6).view(2, 3)}
    model.update({"none": torch.empty(0, 3), "empty": torch.empty(3, 0)})
    found, _ = packed_as(model, values)
    for name, tensor in model.items():
        assert_same_bits(found[name], tensor)


@pytest.mark.parametrize("values", ["exact", "fp16", "int8"])
def test_kept_zeros_are_still_kept(packed_as, values):
    weight = sparse(20, 30)
    mask = weight != 0
    weight[0, :2], mask[0, :2] = torch.tensor([0.0, -0.0]), True
    weight[1, 0], mask[1, 0] = 1e-12, True  # becomes a zero in fp16 and int8
    record = {
        "version": 1, "scheme": "class-blind", "sparsity": 0.7, "threshold": {},
        "masks": {"w": pack(mask)}, "shapes": {"w": [20, 30]},
    }  # fmt: skip
    found, path = packed_as({"w": weight}, values, prune=record)
    state = PackedModel(str(path)).state(found)
    assert state["prune"]["masks"]["w"].tolist() == pack(mask).tolist()
    assert {k: v for k, v in state["prune"].items() if k != "masks"} == {
        k: v for k, v in record.items() if k != "masks"
    }
    assert not found["w"][~mask].any() and not found["w"][0, :2].any()
    assert values != "exact" or found["w"][0, :2].signbit().tolist() == [False, True]


@pytest.mark.parametrize(
    "values, number", [("fp16", 65520.0), ("fp16", -1e30), ("int8", 1e7), ("int8", float("nan")),
                       ("int8", float("inf")), ("int8", float("-inf"))]
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(packed_as, tmp_path, values, number):
    model = {"fine": torch.ones(3, 3), "odd.one": torch.ones(3, 3)}
    model["odd.one"][1, 2] = number
    with pytest.raises(PruneError, match=f"odd.one has weights.* too large for {values}"):
        packed_as(model, values)
    assert [f.name for f in tmp_path.iterdir()] == ["model.pt"]


def test_a_way_that_is_not_known(packed_as):
    with pytest.raises(PruneError, match="^values int4: choose one of exact, fp16, int8"):
        packed_as({"w": torch.ones(2, 2)}, "int4")
