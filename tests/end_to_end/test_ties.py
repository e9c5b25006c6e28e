"""Weights that are one and weights that only look alike, through the real commands."""

import json
import re

import pytest
import torch
from commands import equal, run, state_of, train
from fairseq import checkpoint_utils

from fairseq_prune.parameters.kinds import is_copy
from fairseq_prune.pruning import unpack

BASE = """
    --arch transformer --share-decoder-input-output-embed --encoder-embed-dim 8
    --encoder-ffn-embed-dim 8 --encoder-attention-heads 2 --encoder-layers 2 --decoder-embed-dim 8
    --decoder-ffn-embed-dim 8 --decoder-attention-heads 2 --decoder-layers 1 --seed 3 --cpu
    --required-batch-size-multiple 1 --num-workers 0 --max-tokens 400 --log-format json
    --log-interval 1 --no-epoch-checkpoints --lr 0.01
""".split()
RETRAIN = """
    --task pruned_translation --optimizer pruned_adam --prune-scheme class-uniform
    --prune-sparsity 0.6 --prune-schedule iterative --prune-rounds 2 --prune-every 3 --max-update 5
""".split()
TABLE, OUTPUT = "decoder.embed_tokens.weight", "decoder.output_projection.weight"
JOINED = "target embedding and softmax"
ZEROS = [f"encoder.layers.{k}.self_attn.q_proj.weight" for k in (0, 1)]


@pytest.fixture(scope="module")
def alike(data, tmp_path_factory):
    """A trained model as from a GPU (tied weights stand in the file twice), whose layers are
    copies of each other and hold matrices of zeros."""
    folder = tmp_path_factory.mktemp("alike")
    train(data, folder, "--task", "translation", "--optimizer", "adam", "--max-update", "2",
          base=BASE)  # fmt: skip
    state = state_of(folder / "checkpoint_best.pt")
    model = {name: tensor.clone() for name, tensor in state["model"].items()}
    for name in model:
        if "encoder.layers.1" in name:
            model[name] = model[name.replace("layers.1", "layers.0")].clone()
    for name in ZEROS:
        model[name].zero_()
    state["model"] = model
    torch.save(state, str(folder / "alike.pt"))
    return folder / "alike.pt"


def inspected(path):
    return json.loads(run("fairseq-prune", "inspect", path, "--json"))


def masks_in(path):
    state = state_of(path)
    record = state.get("prune") or state["last_optimizer_state"]["prune"]
    return {name: unpack(mask, record["shapes"][name]) for name, mask in record["masks"].items()}


def holds(path):
    """What is pruned is zero, under each name, and every matrix has a mask of its own."""
    model, masks = state_of(path)["model"], masks_in(path)
    expected = {
        name
        for name, weight in model.items()
        if weight.dim() == 2 and name != OUTPUT and not is_copy(name)
    }
    assert set(masks) == expected
    for name, mask in masks.items():
        assert not model[name][~mask].any()
    assert torch.equal(model[TABLE], model[OUTPUT])
    return masks


def within(masks, before):
    return all(not (mask & ~before[name]).any() for name, mask in masks.items())


def test_counts_are_the_models_own(alike, tmp_path):
    (model,), _ = checkpoint_utils.load_model_ensemble([str(alike)])
    count = sum(p.numel() for n, p in model.named_parameters() if not is_copy(n))
    found = inspected(alike)
    assert found["parameters"] == count
    said = json.loads(run("fairseq-prune", "pack", alike, tmp_path / "model.packed", "--json"))
    assert said["parameters"] == count
    packed = inspected(tmp_path / "model.packed")
    assert set(packed["texts"]) == {"source", "target"}
    assert packed == {
        **found, "checkpoint": str(tmp_path / "model.packed"), "bytes": said["file_bytes"],
        "texts": packed["texts"],
    }  # fmt: skip
    rows = {row["name"]: row for row in found["classes"]}
    assert list(rows) == [
        "source embedding", "source layer 1", "source layer 2", JOINED, "target layer 1",
        "attention",
    ]  # fmt: skip
    assert rows[JOINED]["parameters"] == [TABLE]


def test_a_pattern_takes_each_weight_once(data, alike, tmp_path):
    """In a file and in training, though fairseq keeps copies of an encoder's weights."""
    run("fairseq-prune", "prune", alike, tmp_path / "pruned.pt", "--sparsity", "0.3",
        "--include", "encoder")  # fmt: skip
    once = [*RETRAIN[:4], "--prune-scheme", "class-blind", "--prune-sparsity", "0.3"]
    train(data, tmp_path / "run", *once, "--prune-include", "encoder", "--max-update", "1",
          "--finetune-from-model", alike, base=BASE)  # fmt: skip
    found = masks_in(tmp_path / "run" / "checkpoint_last.pt")
    assert equal(found, masks_in(tmp_path / "pruned.pt"))
    (model,), _ = checkpoint_utils.load_model_ensemble([str(alike)])
    assert set(found) == {
        name
        for name, p in model.named_parameters()
        if not is_copy(name) and (p.dim() == 2 or "encoder" in name)
    }


def test_what_only_looks_alike_is_pruned_by_itself_and_stays(data, alike, tmp_path):
    run("fairseq-prune", "prune", alike, tmp_path / "one.pt", "--sparsity", "0.3",
        "--scheme", "class-uniform")  # fmt: skip
    first = holds(tmp_path / "one.pt")
    run("fairseq-prune", "pack", tmp_path / "one.pt", tmp_path / "one.packed")
    run("fairseq-prune", "unpack", tmp_path / "one.packed", tmp_path / "two.pt")
    assert equal(holds(tmp_path / "two.pt"), first)
    run("fairseq-prune", "average", tmp_path / "one.pt", tmp_path / "two.pt", "--out",
        tmp_path / "mean.pt")  # fmt: skip
    assert equal(holds(tmp_path / "mean.pt"), first)
    retrain = [*BASE, *RETRAIN, "--finetune-from-model", tmp_path / "mean.pt"]
    output = train(data, tmp_path / "run", "--save-interval-updates", "2", base=retrain)
    last = tmp_path / "run" / "checkpoint_last.pt"
    masks = holds(last)
    assert within(masks, first)
    # trained apart since: they are not the same any longer
    layers = [[m for n, m in masks.items() if f"encoder.layers.{k}" in n] for k in (0, 1)]
    assert len(layers[0]) == len(layers[1]) > 0 and not equal(*layers)
    # the training calls the classes as the file does
    classes = [row["name"] for row in inspected(last)["classes"]]
    logged = set(re.findall(r'"train_sparsity_(\w+)"', output))
    assert logged == {name.replace(" ", "_") for name in classes}

    # a checkpoint of before joined classes had names of their own goes on as if nothing was
    (middle,) = (tmp_path / "run").glob("checkpoint_*_2.pt")
    state = state_of(middle)
    record = state["last_optimizer_state"]["prune"]
    record["threshold"] = {
        name.replace(JOINED, "target embedding"): value
        for name, value in record["threshold"].items()
    }
    assert "target embedding" in record["threshold"]
    (tmp_path / "old").mkdir()
    torch.save(state, str(tmp_path / "old" / "checkpoint_last.pt"))
    train(data, tmp_path / "old", base=retrain)
    old, new = state_of(tmp_path / "old" / "checkpoint_last.pt"), state_of(last)
    assert equal(old["last_optimizer_state"], new["last_optimizer_state"])
    assert list(old["last_optimizer_state"]["prune"]["threshold"]) == classes


def test_a_tied_weight_that_is_not_the_same_twice(alike, tmp_path):
    state = state_of(alike)
    state["model"][OUTPUT] = state["model"][OUTPUT] + 1
    torch.save(state, str(tmp_path / "damaged.pt"))
    for verb in (("inspect",), ("prune", tmp_path / "out", "--sparsity", "0.5")):
        said = run("fairseq-prune", verb[0], tmp_path / "damaged.pt", *verb[1:], ok=1)
        assert "damaged.pt was trained with share_decoder_input_output_embed" in said
        assert f"{TABLE} and {OUTPUT}" in said and "Traceback" not in said
    assert [f.name for f in tmp_path.iterdir()] == ["damaged.pt"]
