"""``2:4`` through the real commands: pruned, retrained with the mask held, scored in a grid."""

import pytest
import torch
from commands import FORKED, PLUGIN, REPO, RETRAIN, SMALL, equal, run, server, state_of, train
from grids import config, grid, records

from fairseq_prune.checkpoints.weights import find_record
from fairseq_prune.cli.main import main
from fairseq_prune.pruning import unpack

TRAIN = RETRAIN[: RETRAIN.index("--prune-scheme")]
PATTERN = "--prune-scheme 2:4 --prune-sparsity 0.5 --prune-exclude embedding".split()


def masks_of(record):
    return {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}


def check_file(path, n=2, m=4):
    """Masks and weights of a checkpoint keep to the pattern; returns its record."""
    state = state_of(path)
    record = find_record(state)
    masks = masks_of(record)
    assert record["scheme"] == f"{n}:{m}" and masks
    for name, mask in masks.items():
        weight = state["model"][name]
        assert (mask.reshape(-1, m).sum(1) == n).all()
        assert ((weight != 0).reshape(-1, m).sum(1) <= n).all()
        assert not weight[~mask].any() and not torch.signbit(weight[~mask]).any()
    return record


@pytest.fixture(scope="module")
def pruned(dense, tmp_path_factory):
    """The dense model pruned by ``fairseq-prune prune``, and what that said."""
    path = tmp_path_factory.mktemp("pruned") / "pruned.pt"
    options = ("--scheme", "2:4", "--sparsity", "0.5", "--exclude", "embedding")
    return path, run("fairseq-prune", "prune", dense, path, *options)


@pytest.fixture(scope="module")
def retrained(data, dense, tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrained")
    start = ("--finetune-from-model", dense, "--max-update", "9")
    return folder, train(data, folder, *TRAIN, *PATTERN, *start)


def test_a_checkpoint_is_pruned(dense, pruned):
    path, said = pruned
    names = check_file(path)["masks"]
    assert "(50.00%), 2:4, threshold" in said and "embedding" not in said
    then, now = state_of(dense)["model"], state_of(path)["model"]
    for name, weight in now.items():
        kept = weight != 0
        assert torch.equal(weight[kept], then[name][kept])
        assert name in names or equal(weight, then[name])
    inspected = run("fairseq-prune", "inspect", path)
    assert "2:4 to 0.5" in inspected


def test_retraining_holds_the_mask(data, pruned, retrained):
    folder, said = retrained
    assert "(50.00%), 2:4, threshold" in said
    for name in ("checkpoint_best.pt", "checkpoint_last.pt"):
        record = check_file(folder / name)
        assert equal(record["masks"], check_file(pruned[0])["masks"])
    before, after = state_of(pruned[0])["model"], state_of(folder / "checkpoint_last.pt")["model"]
    assert any((after[name] != before[name]).any() for name in record["masks"])
    decoded = run(
        "fairseq-generate", data, "--user-dir", PLUGIN, "--path", folder / "checkpoint_best.pt",
        "--batch-size", "10", "--cpu", "--num-workers", "0",
    )  # fmt: skip
    assert "Generate test with beam=5" in decoded


def test_a_pruned_model_keeps_its_mask_and_resumes(data, pruned, tmp_path):
    start = (*TRAIN, *PATTERN, "--finetune-from-model", pruned[0], "--max-update", "9")
    train(data, tmp_path / "whole", *start)
    train(data, tmp_path / "cut", *start, ok=-9, prepare=("kill", "at", "update", "5"))
    train(data, tmp_path / "cut", *start)
    whole, cut = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "cut"))
    assert equal(whole["model"], cut["model"])
    assert equal(whole["last_optimizer_state"], cut["last_optimizer_state"])
    record = check_file(tmp_path / "cut" / "checkpoint_last.pt")
    assert equal(record["masks"], check_file(pruned[0])["masks"])


@pytest.mark.parametrize("value", ["2:4", "'2:4'"])
def test_hydra(data, dense, retrained, tmp_path, value):
    run(
        "fairseq-hydra-train", "--config-dir", REPO / "configs", "--config-name",
        "multi30k_retrain", f"common.user_dir={PLUGIN}", f"task.data={data}",
        f"checkpoint.save_dir={tmp_path / 'run'}", f"checkpoint.finetune_from_model={dense}",
        f"hydra.run.dir={tmp_path / 'hydra'}", "model.hidden_size=32", "model.init_range=0.5",
        "dataset.max_tokens=400", "optimization.max_update=2", "task.prune_sparsity=0.5",
        "+task.prune_exclude=embedding", f"task.prune_scheme={value}",
    )  # fmt: skip
    record = check_file(tmp_path / "run" / "checkpoint_last.pt")
    expected = check_file(retrained[0] / "checkpoint_last.pt")
    assert equal(record["masks"], expected["masks"])


def test_one_round_of_iterate(data, dense, pruned, tmp_path):
    run(
        "fairseq-prune", "iterate", "--from", dense, "--out", tmp_path / "out", "--rounds", "1",
        "--scheme", "2:4", "--sparsity", "0.5", "--exclude", "embedding", "--",
        *FORKED, "fairseq-train", data, "--user-dir", PLUGIN, *SMALL, *TRAIN, "--max-update", "2",
        env={"FORK_SERVER": server()},
    )  # fmt: skip
    record = check_file(tmp_path / "out" / "round1" / "checkpoint_best.pt")
    assert equal(record["masks"], check_file(pruned[0])["masks"])


def test_a_grid(data, dense, tmp_path):
    content = config(data, seeds=[1], dense=str(dense))
    content["train"]["retrained"] += " --max-update 2"
    content["train"]["from-start"] += " --max-update 2"
    kinds = ["pruned", "retrained", "from-start"]
    content["points"] = [{"kinds": kinds, "schemes": ["2:4"], "sparsities": [0.5]}]
    grid(tmp_path, content)
    found = records(tmp_path)
    assert {point[1:] for point in found} == {
        ("dense", None, 0.0), *((kind, "2:4", 0.5) for kind in kinds)
    }  # fmt: skip
    for kind in kinds[1:]:
        path = found[1, kind, "2:4", 0.5]["checkpoint"]
        assert ":" not in path
        check_file(path)
    assert "2:4" in (tmp_path / "out" / "grid.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "options, said",
    [
        ("--prune-scheme 2:4 --prune-sparsity 0.6", "give --prune-sparsity 0.5"),
        ("--prune-scheme 2:4", "e.g. --prune-sparsity 0.5"),
        ("--prune-scheme 4:2 --prune-sparsity 0.5", "--prune-scheme 4:2 is no pattern n:m"),
        ("--prune-scheme 2:4:8 --prune-sparsity 0.5", "--prune-scheme 2:4:8 is no pattern n:m"),
        (
            "--prune-scheme 1:3 --prune-sparsity 0.6666666666666666",
            "encoder.lstm.weight_ih_l0 (32), encoder.lstm.weight_hh_l0 (32)",
        ),
        (
            "--prune-scheme 2:4 --prune-sparsity 0.5 --prune-schedule gradual --prune-every 2 "
            "--prune-end 4",
            "--prune-schedule gradual",
        ),
        (
            "--prune-scheme 2:4 --prune-sparsity 0.5 --prune-schedule iterative --prune-every 2 "
            "--prune-rounds 2",
            "--prune-schedule iterative",
        ),
    ],
)
def test_mistakes_in_training(data, dense, tmp_path, options, said):
    folder = tmp_path / "run"
    output = train(
        data, folder, *TRAIN, *options.split(), "--prune-exclude", "embedding",
        "--finetune-from-model", dense, "--max-update", "3", ok=False,
    )  # fmt: skip
    assert "Traceback" not in output, output[-3000:]
    (sentence,) = [line for line in output.splitlines() if "fairseq_prune: error: " in line]
    assert said in sentence
    assert not folder.exists() or not list(folder.iterdir())


def test_a_denser_class_blind_mask_cannot_become_2_of_4(data, dense, tmp_path):
    first = tmp_path / "first.pt"
    run("fairseq-prune", "prune", dense, first, "--sparsity", "0.4", "--exclude", "embedding")
    start = ("--finetune-from-model", first, "--max-update", "3")
    output = train(data, tmp_path / "run", *TRAIN, *PATTERN, *start, ok=False)
    assert "more than 2 are pruned already" in output and "Traceback" not in output


@pytest.mark.parametrize(
    "options, said",
    [
        ("--scheme 2:4 --sparsity 0.8", "give --sparsity 0.5"),
        ("--scheme 0:4 --sparsity 0.5", "--scheme 0:4 is no pattern n:m"),
        ("--scheme 2:64 --sparsity 0.5", "--scheme 2:64 is no pattern n:m"),
        ("--scheme 3:5 --sparsity 0.4", "--exclude"),
        ("--scheme 2-4 --sparsity 0.5", '"2:4"'),
    ],
)
def test_mistakes_in_fairseq_prune(dense, tmp_path, options, said):
    with pytest.raises(SystemExit) as exit_:
        main(["prune", str(dense), str(tmp_path / "out.pt"), *options.split()])
    assert said in str(exit_.value.code) and not list(tmp_path.iterdir())


def test_rounds_cannot_be_asked_for(dense, tmp_path):
    request = "--scheme 2:4 --sparsity 0.5 --rounds 2 -- fairseq-train".split()
    with pytest.raises(SystemExit) as exit_:
        main(["iterate", "--from", str(dense), "--out", str(tmp_path / "out"), *request])
    assert "give --rounds 1" in str(exit_.value.code) and not list(tmp_path.iterdir())
