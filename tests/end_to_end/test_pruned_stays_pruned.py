"""A pruned checkpoint keeps its mask in every training, unless dense is asked for by name."""

import shutil

import pytest
import torch
from commands import RETRAIN, equal, run, state_of, train

from fairseq_prune.checkpoints.weights import find_record
from fairseq_prune.pruning import unpack

#: a pruned task and optimizer, and no word of pruning
ON = """
    --task pruned_translation --optimizer pruned_sgd --lr 0.5 --max-update 2
    --save-interval-updates 1
""".split()
RESETS = "--reset-optimizer --reset-lr-scheduler --reset-dataloader --reset-meters".split()


def masks_of(path):
    record = find_record(state_of(path))
    return {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}


def kept(folder, before, names=("checkpoint_best.pt", "checkpoint_last.pt")):
    """Check that the checkpoints in ``folder`` are pruned by the mask of ``before``."""
    masks = masks_of(before)
    for name in names:
        assert equal(masks_of(folder / name), masks)
        model = state_of(folder / name)["model"]
        for parameter, mask in masks.items():
            pruned = model[parameter][~mask]
            assert pruned.numel() and not pruned.any() and not torch.signbit(pruned).any()
            assert model[parameter][mask].any()


@pytest.fixture(scope="module")
def pruned(dense, tmp_path_factory):
    """What ``fairseq-prune prune`` and ``pack`` write: no optimizer state, the record on top."""
    folder = tmp_path_factory.mktemp("pruned")
    run("fairseq-prune", "prune", dense, folder / "pruned.pt", "--sparsity", "0.8")
    run("fairseq-prune", "pack", folder / "pruned.pt", folder / "model.packed")
    return folder


@pytest.fixture(scope="module")
def starts(retrained, pruned):
    last = retrained[0] / "checkpoint_last.pt"
    return {
        "finetuned": ("--finetune-from-model", last),
        "pruned and finetuned": ("--finetune-from-model", pruned / "pruned.pt", "--store-ema"),
        "packed": ("--finetune-from-model", pruned / "model.packed"),
        "restored": ("--restore-file", pruned / "pruned.pt", "--max-update", "22"),
        "reset": ("--restore-file", last, *RESETS),
        "continued once": ("--continue-once", last, "--max-update", "14"),
    }


@pytest.mark.parametrize(
    "start",
    ["finetuned", "pruned and finetuned", "packed", "restored", "reset", "continued once"],
)
def test_its_mask_is_kept_and_said(data, starts, tmp_path, start):
    options = starts[start]
    output = train(data, tmp_path, *ON, *options)
    # what goes on with a run's state has its best score to beat
    names = ["checkpoint_last.pt"] if start == "continued once" else ["checkpoint_best.pt"]
    kept(tmp_path, options[1], names)
    said = f"{options[1]} is pruned to 80%, and its mask is kept; --prune-scheme none trains"
    assert output.count(said) == 1
    average = state_of(tmp_path / "checkpoint_last.pt")["extra_state"].get("ema")
    assert (average is not None) == ("--store-ema" in options)
    for name, mask in masks_of(options[1]).items() if average else ():
        assert average[name].any() and not average[name][~mask].any()


def test_so_is_that_of_a_run_resumed_without_its_options(data, retrained, tmp_path):
    shutil.copytree(str(retrained[0]), str(tmp_path / "run"))
    train(data, tmp_path / "run", *ON, "--momentum", "0.9", "--max-update", "13")
    kept(tmp_path / "run", retrained[0] / "checkpoint_last.pt")
    train(data, tmp_path / "run", *ON, *RESETS)
    kept(tmp_path / "run", retrained[0] / "checkpoint_last.pt")
    assert state_of(tmp_path / "run" / "checkpoint_last.pt")["optimizer_history"][-1][
        "num_updates"
    ] == 2  # fmt: skip


def test_short_of_its_target_it_stays_there_and_has_a_best_model(data, dense, tmp_path):
    gradual = "--prune-schedule gradual --prune-end 9 --prune-every 1 --max-update".split()
    at = RETRAIN.index("--prune-scheme")
    train(data, tmp_path, *RETRAIN, *gradual, "10", "--finetune-from-model", dense,
          "--save-interval-updates", "3", ok=-9, prepare=("kill", "at", "update", "4"))  # fmt: skip
    before = tmp_path / "before.pt"
    shutil.copy(str(tmp_path / "checkpoint_last.pt"), str(before))
    assert not (tmp_path / "checkpoint_best.pt").exists()
    train(data, tmp_path, *RETRAIN[:at], "--max-update", "5")
    kept(tmp_path, before)


def test_interrupted_it_ends_as_if_it_had_not_been(data, retrained, tmp_path):
    """Over the end of an epoch, where fairseq would make other batches."""
    arguments = [
        *ON, "--optimizer", "pruned_adam", "--lr", "0.01", "--dropout", "0.2",
        "--finetune-from-model", retrained[0] / "checkpoint_best.pt", "--max-update", "14",
        "--save-interval-updates", "4",
    ]  # fmt: skip
    train(data, tmp_path / "whole", *arguments)
    train(data, tmp_path / "cut", *arguments, ok=-9, prepare=("kill", "at", "update", "10"))
    train(data, tmp_path / "cut", *arguments)
    for name in ("checkpoint_best.pt", "checkpoint_last.pt"):
        whole, cut = (state_of(tmp_path / folder / name) for folder in ("whole", "cut"))
        assert equal(whole["model"], cut["model"])
        assert equal(whole["last_optimizer_state"], cut["last_optimizer_state"])
        assert whole["extra_state"]["best"] == cut["extra_state"]["best"]
    kept(tmp_path / "cut", retrained[0] / "checkpoint_best.pt")


def test_dense_by_name_is_as_dense_as_the_stock_task(data, retrained, tmp_path):
    """And the stock task says what it does."""
    pruned = retrained[0] / "checkpoint_last.pt"
    options = ("--finetune-from-model", pruned, "--momentum", "0.9")
    output = train(data, tmp_path / "stock", "--task", "translation", "--optimizer", "sgd",
                   "--lr", "0.5", "--max-update", "2", *options)  # fmt: skip
    assert f"{pruned} is pruned, and this run makes it dense; to keep its mask, give --task " in (
        output
    )
    assert "pruned_translation --optimizer pruned_sgd in place of" in output
    output = train(data, tmp_path / "named", *ON, "--prune-scheme", "none", *options)
    assert "is pruned" not in output
    stock, named = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("stock", "named"))
    assert equal(stock["model"], named["model"])
    assert find_record(named) is None and find_record(stock) is None


def test_dense_by_name_goes_on_with_the_optimizer_but_not_its_mask(data, retrained, tmp_path):
    pruned = retrained[0] / "checkpoint_last.pt"
    train(data, tmp_path, *ON, "--prune-scheme", "none", "--restore-file", pruned,
          "--momentum", "0.9", "--max-update", "13")  # fmt: skip
    state = state_of(tmp_path / "checkpoint_last.pt")
    assert state["optimizer_history"][-1]["num_updates"] == 13 and find_record(state) is None
    filled = [state["model"][n][~mask].any() for n, mask in masks_of(pruned).items()]
    assert any(filled)


@pytest.mark.parametrize(
    "options, said",
    [
        (("--task", "pruned_translation", "--optimizer", "sgd"), "use --optimizer pruned_sgd"),
        (("--task", "pruned_translation", "--ema-fp32"), "--ema-fp32 with pruning"),
        (("--task", "translation", "--restore-file"), "--task pruned_translation --optimizer"),
        (
            ("--task", "translation", "--optimizer", "sgd", "--restore-file"),
            "give --optimizer pruned_sgd and --task pruned_translation",
        ),
        (("--prune-scheme", "none", "--prune-sparsity", "0.8"), "--prune-sparsity has no meaning"),
    ],
)
def test_what_would_make_it_dense_is_refused_before_training(
    data, retrained, tmp_path, options, said
):
    pruned = retrained[0] / "checkpoint_last.pt"
    start = (pruned,) if options[-1] == "--restore-file" else ("--finetune-from-model", pruned)
    output = train(data, tmp_path / "run", *ON, *options, *start, ok=False)
    assert said in output and "Traceback" not in output and "begin training" not in output
    assert not list((tmp_path / "run").glob("*.pt"))
