"""fairseq-prune pack and unpack on checkpoints of real runs."""

import re

import pytest
import torch
from commands import RETRAIN, equal, pickled_types, run, state_of, train
from forged import content_of, taken_apart

from fairseq_prune.pruning import unpack


def pack(source, target, *args):
    return run("fairseq-prune", "pack", source, target, *args)


def there_and_back(source, folder, *args):
    """The state of a checkpoint that was packed and unpacked, and what pack said."""
    said = pack(source, folder / "model.packed", *args)
    told = run("fairseq-prune", "unpack", folder / "model.packed", folder / "unpacked.pt")
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1" in told and "files that you trust" in told
    assert sorted(f.name for f in folder.iterdir()) == ["model.packed", "unpacked.pt"]
    return state_of(folder / "unpacked.pt"), said


def test_what_is_written_is_as_plain_as_what_fairseq_writes(dense, retrained, tmp_path):
    there_and_back(retrained[0] / "checkpoint_best.pt", tmp_path)
    run("fairseq-prune", "prune", dense, tmp_path / "pruned.pt", "--sparsity", "0.5")
    unpacked = tmp_path / "unpacked.pt"
    run("fairseq-prune", "average", unpacked, unpacked, "--out", tmp_path / "average.pt")
    masks = {"torch ByteStorage"}  # bytes, in a tensor
    for path in (retrained[0] / "checkpoint_best.pt", *tmp_path.glob("*.pt")):
        assert pickled_types(path) - masks <= pickled_types(dense), path


def masks_of(record):
    return {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}


@pytest.fixture(scope="module")
def with_kept_zeros(retrained, tmp_path_factory):
    """The retrained checkpoint; of two weights that are kept one is 0.0, the other -0.0."""
    state = state_of(retrained[0] / "checkpoint_best.pt")
    mask = masks_of(state["last_optimizer_state"]["prune"])["decoder.fc_out.weight"]
    weight = state["model"]["decoder.fc_out.weight"].clone()
    (a, b), (c, d) = mask.nonzero()[:2].tolist()
    weight[a, b], weight[c, d] = 0.0, -0.0
    state["model"]["decoder.fc_out.weight"] = weight
    path = tmp_path_factory.mktemp("zeros") / "model.pt"
    torch.save(state, str(path))
    return path


def test_every_bit_comes_back_but_the_optimizer(with_kept_zeros, tmp_path):
    before = state_of(with_kept_zeros)
    after, said = there_and_back(with_kept_zeros, tmp_path)
    assert list(after["model"]) == list(before["model"])
    assert equal(dict(after["model"]), dict(before["model"]))
    optimizer = before.pop("last_optimizer_state")
    assert equal(after.pop("prune"), optimizer["prune"])
    assert after.keys() == before.keys()
    assert all(equal(after[key], before[key]) for key in before)
    assert re.findall("^left out: (.*)$", said, re.MULTILINE) == ["the optimizer's state"]


def test_kept_zeros_are_values_of_their_own(with_kept_zeros, tmp_path):
    pack(with_kept_zeros, tmp_path / "model.packed")
    header, _ = taken_apart(tmp_path / "model.packed")
    for name, mask in masks_of(state_of(with_kept_zeros)["last_optimizer_state"]["prune"]).items():
        assert header[f"{name}:values"]["shape"] == [int(mask.sum())]


def test_a_dense_model_comes_back(dense, tmp_path):
    after, _ = there_and_back(dense, tmp_path)
    before = state_of(dense)
    assert equal(dict(after["model"]), dict(before["model"])) and "prune" not in after
    assert str(after["cfg"]) == str(before["cfg"])


def test_a_packed_model_is_packed_again(retrained, tmp_path):
    pack(retrained[0] / "checkpoint_best.pt", tmp_path / "once.packed")
    pack(tmp_path / "once.packed", tmp_path / "twice.packed")
    once, twice = (tmp_path / f"{x}.packed" for x in ("once", "twice"))
    (header, data), (again, data_again) = taken_apart(once), taken_apart(twice)
    assert data == data_again and content_of(header) == content_of(again)


def test_the_average_of_training_is_left_out_and_named(data, dense, tmp_path):
    train(
        data, tmp_path / "run", *RETRAIN, "--finetune-from-model", dense, "--max-update", "2",
        "--store-ema", "--ema-decay", "0.5",
    )  # fmt: skip
    path = tmp_path / "run/checkpoint_last.pt"
    (tmp_path / "out").mkdir()
    after, said = there_and_back(path, tmp_path / "out")
    before = state_of(path)
    assert before["extra_state"].pop("ema") and equal(after["extra_state"], before["extra_state"])
    assert equal(dict(after["model"]), dict(before["model"]))
    assert "left out: the optimizer's state\nleft out: the average of --store-ema\n" in said


@pytest.mark.parametrize("values", ["fp16", "int8"])
def test_values_in_less_are_those_of_the_equations(values, with_kept_zeros, tmp_path):
    before = state_of(with_kept_zeros)
    after, said = there_and_back(with_kept_zeros, tmp_path, "--values", values)
    record = before["last_optimizer_state"]["prune"]
    assert equal(after["prune"]["masks"], record["masks"])
    for name, weight in before["model"].items():
        found = after["model"][name]
        if weight.dim() < 2:
            assert equal(found, weight)
        elif values == "fp16":
            assert equal(found, weight.half().float())
        else:
            step = weight.abs().max(dim=1, keepdim=True)[0] / 127
            # the scale is rounded up to fp16, of 11 bits
            assert ((found - weight).abs() <= step / 2 * (1 + 2**-10) + 2**-24).all()
            assert not equal(found, weight) and not found[weight == 0].any()
    exact = pack(with_kept_zeros, tmp_path / "exact.packed")
    # the same words in the same lines, with other numbers
    assert re.sub(r"[\d,.]+|(model|exact).packed", "", said) == re.sub(
        r"[\d,.]+|(model|exact).packed", "", exact
    )
