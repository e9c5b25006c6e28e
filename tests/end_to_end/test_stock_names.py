"""What is handed on names fairseq's own task, and loads where this plugin is not."""

import json

import pytest
import torch
from commands import equal, python, run, state_of, train

LSTM = """
    --arch lstm --encoder-embed-dim 16 --encoder-hidden-size 16 --decoder-embed-dim 16
    --decoder-hidden-size 16 --decoder-out-embed-dim 16 --max-tokens 400 --seed 3 --cpu
    --num-workers 0 --lr 0.01 --log-format json --no-epoch-checkpoints
""".split()

#: prints the task of each checkpoint and what it makes of a sentence
FROM_PRETRAINED = """
import argparse, json, os, sys, torch
if hasattr(torch.serialization, "add_safe_globals"):
    torch.serialization.add_safe_globals([argparse.Namespace])
from fairseq.models.lstm import LSTMModel
found = []
for path in sys.argv[2:]:
    model = LSTMModel.from_pretrained(os.path.dirname(path), os.path.basename(path), sys.argv[1])
    found.append((type(model.task).__name__, model.translate("w1 w2 w3")))
assert not any(name.startswith("fairseq_prune") for name in sys.modules)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def pruned_lstm(data, tmp_path_factory):
    """The folder of a run of a stock architecture, pruned and retrained."""
    folder = tmp_path_factory.mktemp("lstm")
    train(data, folder / "dense", "--task", "translation", "--optimizer", "adam",
          "--max-update", "4", base=LSTM)  # fmt: skip
    train(
        data, folder / "pruned", "--task", "pruned_translation", "--optimizer", "pruned_adam",
        "--finetune-from-model", folder / "dense" / "checkpoint_best.pt", "--max-update", "3",
        "--prune-scheme", "class-blind", "--prune-sparsity", "0.5", base=LSTM,
    )  # fmt: skip
    return folder / "pruned"


@pytest.fixture(scope="module")
def old(pruned_lstm):
    """The same checkpoint as this plugin once wrote it: it names the pruned task."""
    state = state_of(pruned_lstm / "checkpoint_best.pt")
    cfg = state["cfg"]
    cfg["task"].update(cfg.pop("prune"), _name="pruned_translation", save_dir="x", max_update=3)
    cfg["optimizer"]["_name"] = "pruned_adam"
    cfg["model"].task, cfg["model"].optimizer = "pruned_translation", "pruned_adam"
    torch.save(state, str(pruned_lstm.parent / "old.pt"))
    return pruned_lstm.parent / "old.pt"


def test_every_file_loads_without_the_plugin(data, pruned_lstm, old, tmp_path):
    verb = [tmp_path / f"{name}.pt" for name in ("pruned", "mean", "unpacked")]
    run("fairseq-prune", "prune", old, verb[0], "--sparsity", "0.5")
    run("fairseq-prune", "average", old, "--out", verb[1])
    run("fairseq-prune", "pack", old, tmp_path / "old.packed")
    run("fairseq-prune", "unpack", tmp_path / "old.packed", verb[2])
    files = [*(pruned_lstm / f"checkpoint_{x}.pt" for x in ("best", "last")), *verb]
    said = json.loads(python("-c", FROM_PRETRAINED, data, *files).splitlines()[-1])
    assert [task for task, _ in said] == ["TranslationTask"] * len(files)
    # the same weights, but for the last
    translations = [text for (_, text), file in zip(said, files) if "last" not in file.name]
    assert len(set(translations)) == 1
    before = state_of(pruned_lstm / "checkpoint_best.pt")
    for file in verb:
        assert equal(dict(state_of(file)["model"]), dict(before["model"]))
        assert state_of(file)["cfg"] == before["cfg"]


def test_the_options_of_the_run_stay_in_the_file(pruned_lstm):
    cfg = state_of(pruned_lstm / "checkpoint_best.pt")["cfg"]
    assert cfg["task"]["_name"] == "translation" and cfg["optimizer"]["_name"] == "adam"
    assert cfg["prune"]["prune_scheme"] == "class-blind" and cfg["prune"]["prune_sparsity"] == 0.5
    assert not any(key.startswith("prune_") for key in cfg["task"])
