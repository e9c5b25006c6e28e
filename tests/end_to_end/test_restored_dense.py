"""--restore-file with a dense checkpoint: the pruned optimizer goes on where the dense one was."""

import pytest
from commands import equal, state_of, train

ADAM = """
    --lr 0.01 --dropout 0.1 --lr-scheduler luong --lr-decay-start 1 --lr-decay-every 0.3
    --lr-epoch-updates 6
""".split()
PRUNE = "--task pruned_translation --prune-scheme class-blind --prune-sparsity".split()


@pytest.fixture(scope="module")
def begun(data, tmp_path_factory):
    """A dense run with Adam, in the middle of its second epoch."""
    folder = tmp_path_factory.mktemp("begun")
    options = ("--task", "translation", "--optimizer", "adam", "--max-update", "8")
    train(data, folder, *ADAM, *options)
    return folder / "checkpoint_last.pt"


def test_it_goes_on_with_the_state_of_the_dense_optimizer(data, begun, tmp_path):
    """Where nothing is pruned, to the end of the dense run that was not interrupted."""
    train(data, tmp_path / "dense", *ADAM, "--task", "translation", "--optimizer", "adam",
          "--max-update", "10")  # fmt: skip
    more = ("--restore-file", begun, "--max-update", "10")
    train(data, tmp_path / "pruned", *ADAM, *PRUNE, "0", "--optimizer", "pruned_adam", *more)
    dense, pruned = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("dense", "pruned"))
    record = pruned["last_optimizer_state"].pop("prune")
    assert record["run"]["start"] == 8 and record["masks"]
    assert equal(dense["model"], pruned["model"])
    assert equal(dense["last_optimizer_state"], pruned["last_optimizer_state"])
    train(data, tmp_path / "half", *ADAM, *PRUNE, "0.5", "--optimizer", "pruned_adam", *more)
    matrices = [
        weight
        for weight in state_of(tmp_path / "half" / "checkpoint_best.pt")["model"].values()
        if weight.dim() == 2
    ]
    zeros = sum(int((weight == 0).sum()) for weight in matrices)
    assert zeros >= round(0.5 * sum(weight.numel() for weight in matrices))


@pytest.mark.parametrize(
    "options, said",
    [
        (("--optimizer", "pruned_sgd"), "the state of optimizer adam, which pruned_sgd cannot"),
        (("--criterion", "label_smoothed_cross_entropy"), "give its --criterion"),
        (("--max-epoch", "1"), "--max-epoch 1 ends the run before its first update"),
    ],
)
def test_what_it_cannot_go_on_with_is_said(data, begun, tmp_path, options, said):
    output = train(
        data, tmp_path / "run", *ADAM, *PRUNE, "0.5", "--optimizer", "pruned_adam",
        "--max-update", "10", "--restore-file", begun, *options, ok=False,
    )  # fmt: skip
    said_once(output, said, tmp_path / "run")


def test_another_schedule_is_said(data, dense, tmp_path):
    """The session's dense model has fairseq's default, ``fixed``."""
    output = train(
        data, tmp_path / "run", *ADAM, *PRUNE, "0.5", "--optimizer", "pruned_sgd",
        "--max-update", "22", "--restore-file", dense, ok=False,
    )  # fmt: skip
    said_once(output, "or --reset-lr-scheduler", tmp_path / "run")


def said_once(output, said, folder):
    sentences = [line for line in output.splitlines() if "fairseq_prune: error: " in line]
    assert len(sentences) == 1 and said in sentences[0], output[-2000:]
    assert "Traceback" not in output and not list(folder.glob("*.pt"))


def test_its_weights_alone(data, begun, tmp_path):
    """Another optimizer, and the optimizer's state left behind."""
    train(
        data, tmp_path, *ADAM, *PRUNE, "0.5", "--optimizer", "pruned_sgd", "--restore-file", begun,
        "--reset-optimizer", "--max-update", "1",
    )  # fmt: skip
    state = state_of(tmp_path / "checkpoint_last.pt")
    assert state["optimizer_history"][-1]["num_updates"] == 1
    assert state["last_optimizer_state"]["prune"]["run"]["start"] == 0
