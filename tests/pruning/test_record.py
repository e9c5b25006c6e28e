import io

import pytest
import torch

from fairseq_prune.pruning import PruneError, make_record, masks_of, prune


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return {"enc.w": torch.randn(3, 5), "dec.w": torch.randn(7, 1)}


@pytest.fixture
def pruned(weights):
    return prune(weights, {"enc.w": "source", "dec.w": "target"}, "class-uniform", 0.4)


@pytest.fixture
def record(pruned):
    return make_record(pruned, 0.4)


def test_masks_come_back(record, pruned, weights):
    masks = masks_of(record, weights)
    assert list(masks) == ["enc.w", "dec.w"]
    for name, mask in masks.items():
        assert mask.dtype == torch.bool and torch.equal(mask, pruned.masks[name])


def test_it_says_what_was_asked_and_what_came_of_it(record, weights, pruned):
    assert record["scheme"] == "class-uniform" and record["sparsity"] == 0.4
    gone = {n: weights[n].abs()[~pruned.masks[n]].max().item() for n in weights}
    assert record["threshold"] == {"source": gone["enc.w"], "target": gone["dec.w"]}


def test_it_takes_one_bit_a_weight(record):
    assert {n: m.numel() for n, m in record["masks"].items()} == {"enc.w": 2, "dec.w": 1}


def test_it_is_made_of_plain_things(record):
    def parts(value):
        yield value
        inner = value.values() if isinstance(value, dict) else value if type(value) is list else ()
        for part in inner:
            yield from parts(part)

    assert {type(part) for part in parts(record)} <= {dict, list, str, int, float, torch.Tensor}


@pytest.mark.skipif(
    torch.__version__ < "2", reason="weights_only of torch 1.13 reads no floating-point number"
)
def test_it_loads_without_running_code(record, pruned, weights):
    file = io.BytesIO()
    torch.save({"last_optimizer_state": {"prune": record}}, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)["last_optimizer_state"]["prune"]
    masks = masks_of(loaded, weights)
    assert all(torch.equal(masks[name], pruned.masks[name]) for name in weights)


def test_weights_it_does_not_name_stay_unmasked(record, weights):
    assert "bias" not in masks_of(record, {**weights, "bias": torch.ones(2)})


def test_a_parameter_the_model_lacks_is_named(record, weights):
    del weights["dec.w"]
    with pytest.raises(PruneError, match=r"dec\.w.*does not have"):
        masks_of(record, weights)


def test_another_shape_is_named_with_both_sizes(record, weights):
    weights["enc.w"] = torch.zeros(5, 3)
    with pytest.raises(PruneError, match=r"enc\.w is 3 x 5.*5 x 3"):
        masks_of(record, weights)


def test_another_version_is_refused(record, weights):
    with pytest.raises(PruneError, match="version 99"):
        masks_of({**record, "version": 99}, weights)


@pytest.mark.parametrize("key", ["version", "masks", "shapes"])
def test_a_missing_part_is_refused(record, weights, key):
    del record[key]
    with pytest.raises(PruneError, match=f"damaged.*{key}"):
        masks_of(record, weights)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        [],
        {"version": 1, "masks": 3, "shapes": {}},
        {"version": 1, "masks": {"enc.w": 1}, "shapes": {"enc.w": [3, 5]}},
    ],
)
def test_what_is_no_record_is_refused(bad, weights):
    with pytest.raises(PruneError, match="damaged"):
        masks_of(bad, weights)


def test_a_truncated_mask_is_refused(record, weights):
    record["masks"]["enc.w"] = record["masks"]["enc.w"][:1]
    with pytest.raises(PruneError, match="damaged.*3, 5"):
        masks_of(record, weights)
