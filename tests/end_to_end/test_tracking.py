"""W&B, TensorBoard and JSON logs say what was pruned, when, and by which settings."""

import glob
import json
import re

import pytest
from commands import state_of, train
from grids import MODULE, config, grid, records
from wandb_files import wandb_records

from fairseq_prune.pruning import unpack

RUN = """
    --task pruned_translation --optimizer pruned_sgd --lr 0.5 --prune-scheme class-uniform
    --prune-sparsity 0.8 --prune-schedule iterative --prune-rounds 2 --prune-every 3
    --max-update 8 --wandb-project pruning
""".split()


@pytest.fixture(scope="module")
def tracked(data, dense, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracked")
    options = [*RUN, "--finetune-from-model", dense, "--tensorboard-logdir", folder / "tb"]
    env = {"WANDB_MODE": "offline", "WANDB_DIR": str(folder), "WANDB_SILENT": "true"}
    output = train(data, folder / "run", *options, env=env)
    return folder, output


def sparsities(state):
    """weight class -> sparsity, counted in the checkpoint."""
    record = state["last_optimizer_state"]["prune"]
    found = {}
    for name, key in (
        ("softmax", "decoder.fc_out"),
        ("source_embedding", "encoder.embed"),
        ("source_layer_1", "_l0"),
    ):
        masks = [
            unpack(m, record["shapes"][n])
            for n, m in record["masks"].items()
            if key in n and ("encoder" in n or name == "softmax")
        ]
        found[name] = 1 - sum(int(m.sum()) for m in masks) / sum(m.numel() for m in masks)
    return found


def check(rows, state, prefix=""):
    """``rows``: dictionaries of metric -> value, in order."""
    inner = [r for r in rows if f"{prefix}sparsity" in r]
    assert {round(r[f"{prefix}sparsity"], 2) for r in inner} == {0.55, 0.8}
    assert inner[-1][f"{prefix}sparsity"] == pytest.approx(0.8, abs=1e-3)


def test_wandb(tracked):
    folder, _ = tracked
    config, rows = wandb_records(folder)
    task = config["task"]
    assert task["prune_scheme"] == "class-uniform" and task["prune_sparsity"] == 0.8
    assert task["prune_schedule"] == "iterative"
    assert task["prune_rounds"] == 2 and task["prune_every"] == 3
    check(rows, None, "train_inner/")
    events = [r["train_inner/prunes"] for r in rows if "train_inner/prunes" in r]
    assert events == [1, 1, 1, 2, 2, 2, 2, 2]
    merged = {}
    for row in rows:
        merged.update(row)
    state = state_of(folder / "run" / "checkpoint_last.pt")
    for name, sparsity in sparsities(state).items():
        assert merged[f"train/sparsity_{name}"] == pytest.approx(sparsity, abs=1e-5)
    thresholds = state["last_optimizer_state"]["prune"]["threshold"]
    assert merged["train/threshold_softmax"] == pytest.approx(thresholds["softmax"], abs=1e-5)
    assert len(thresholds) == 8


def test_json_log(tracked):
    folder, output = tracked
    rows = [json.loads(line) for line in re.findall(r"\| train_inner \| (\{.*\})", output)]
    rows = [{k: float(v) for k, v in row.items()} for row in rows]
    check(rows, None)
    assert [r["prunes"] for r in rows] == [1, 1, 1, 2, 2, 2, 2, 2]
    last = json.loads(re.findall(r"\| train \| (\{.*\})", output)[-1])
    for name, sparsity in sparsities(state_of(folder / "run" / "checkpoint_last.pt")).items():
        assert float(last[f"train_sparsity_{name}"]) == pytest.approx(sparsity, abs=1e-5)


def test_tensorboard(tracked):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    folder, _ = tracked
    values = {}
    for path in glob.glob(str(folder / "tb" / "train*" / "*")):
        with open(path, "rb") as f:
            content = f.read()
        at = 0
        while at < len(content):  # length (8), its checksum (4), event, checksum (4)
            length = int.from_bytes(content[at : at + 8], "little")
            event = Event.FromString(content[at + 12 : at + 12 + length])
            at += length + 16
            for value in event.summary.value:
                values.setdefault(value.tag, []).append(value.simple_value)
    assert values["sparsity"][-1] == pytest.approx(0.8, abs=1e-3)
    assert values["prunes"][0] == 1 and values["prunes"][-1] == 2
    assert values["sparsity_softmax"][-1] == pytest.approx(0.8, abs=1e-3)


def test_figures_and_results_of_a_grid_go_to_wandb(data, dense, tmp_path):
    pytest.importorskip("matplotlib")
    content = config(data, seeds=[1], dense=str(dense))
    content["points"] = content["points"][:1]
    content["points"][0]["schemes"] = ["class-blind"]
    env = {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}
    # not in a fork of a process that has imported wandb, whose temporary folder is gone there
    grid(tmp_path, content, "--wandb-project", "pruning", env=env, command=MODULE)
    found = records(tmp_path)
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    media = folder / "files" / "media"
    sent = {path.name.split("_")[0]: path for path in (media / "images").iterdir()}
    assert sent["schemes"].read_bytes() == (tmp_path / "out" / "schemes.png").read_bytes()
    (table,) = (media / "table").iterdir()
    table = json.loads(table.read_text())
    rows = [dict(zip(table["columns"], row)) for row in table["data"]]
    assert len(rows) == 3
    for row in rows:
        record = found[1, row["kind"], row["scheme"], row["sparsity"]]
        assert row["bleu"] == record["bleu"] and row["perplexity"] == record["perplexity"]
