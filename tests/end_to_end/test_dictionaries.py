"""Training from a model with data whose dictionaries have its words in another order."""

import shutil

import pytest
from commands import PLUGIN, RETRAIN, run, state_of, train

from fairseq_prune.checkpoints.writing import write_checkpoint

SHORT = ("--max-update", "1", "--no-save")
PLAIN = ("--task", "translation", "--optimizer", "sgd", "--lr", "0.5")
UNASKED = ("--task", "pruned_translation", "--optimizer", "pruned_sgd", "--lr", "0.5")
FINETUNE, RESTORE = "--finetune-from-model", "--restore-file"


@pytest.fixture(scope="module")
def other(data, tmp_path_factory):
    """The same data; two words of the target are in each other's place."""
    folder = tmp_path_factory.mktemp("other") / "data"
    shutil.copytree(str(data), str(folder))
    path = folder / "dict.de.txt"
    first, second, *rest = path.read_text().splitlines(True)
    path.write_text("".join([second, first, *rest]))
    return folder


@pytest.fixture(scope="module")
def models(data, dense, retrained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    pruned = retrained[0] / "checkpoint_best.pt"
    run("fairseq-prune", "pack", dense, folder / "dense.packed", "--data", data)
    run("fairseq-prune", "pack", pruned, folder / "pruned.packed")
    run("fairseq-prune", "unpack", folder / "dense.packed", folder / "unpacked.pt")
    run("fairseq-prune", "prune", pruned, folder / "again.pt", "--sparsity", "0.8")
    run("fairseq-prune", "average", folder / "again.pt", "--out", folder / "average.pt")
    return folder


def refused(model, data, save_dir, *args):
    output = train(data, save_dir, *SHORT, *args, ok=1)
    assert "Traceback" not in output, output[-3000:]
    (said,) = [line for line in output.splitlines() if "error: " in line]
    made = "packed" if model.suffix == ".packed" else "trained"
    assert f"{model} was {made} with another target dictionary than the data has" in said
    assert not save_dir.exists() or not list(save_dir.iterdir())


@pytest.mark.parametrize(
    "name, options, start",
    [("dense.packed", PLAIN, FINETUNE), ("dense.packed", RETRAIN, FINETUNE),
     ("pruned.packed", UNASKED, RESTORE), ("unpacked.pt", PLAIN, FINETUNE),
     ("average.pt", RETRAIN, FINETUNE)],
)  # fmt: skip
def test_to_start_from(name, options, start, models, data, other, tmp_path):
    path = models / name
    refused(path, other, tmp_path / "run", *options, start, path)
    if name == "dense.packed" and options is RETRAIN:
        train(data, tmp_path / "right", *SHORT, *options, start, path)


def test_a_mask_from(models, dense, other, tmp_path):
    mask = ("--task", "pruned_translation", "--optimizer", "pruned_sgd", "--lr", "0.5")
    for path in (models / "pruned.packed", models / "again.pt"):
        refused(path, other, tmp_path / "run", *mask, "--prune-mask-from", path)


def test_a_run_to_go_on_with(retrained, data, other, tmp_path):
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    last = run_folder / "checkpoint_last.pt"
    shutil.copy(str(retrained[0] / "checkpoint_last.pt"), str(last))
    more = (*RETRAIN, "--max-update", "13")
    assert f"{last} was trained with another target dictionary" in train(
        other, run_folder, *more, ok=1
    )
    # of a run that has not noted its dictionaries
    state = state_of(last)
    noted = state["last_optimizer_state"]["prune"].pop("dictionaries")
    write_checkpoint(state, str(last))
    train(data, run_folder, *more)
    assert state_of(last)["last_optimizer_state"]["prune"]["dictionaries"] == noted


def test_to_decode_with(retrained, models, other):
    options = ("--user-dir", PLUGIN, "--cpu", "--path")
    for path in (retrained[0] / "checkpoint_best.pt", models / "again.pt"):
        output = run("fairseq-generate", other, *options, path, ok=1)
        assert f"{path} was trained with another target dictionary" in output
