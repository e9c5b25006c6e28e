"""``fairseq-prune grid``: killed, interrupted, and gone on with."""

import json
import os
import shlex
import signal

import pytest
from commands import BIN, state_of
from grids import config, grid, records, same
from interruption import interrupt

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def small(data, dense, tmp_path_factory):
    """A grid of four points of a given dense model, and its results."""
    content = config(data, seeds=[1], dense=str(dense))
    content["points"][0]["schemes"] = ["class-blind"]
    folder = tmp_path_factory.mktemp("small")
    grid(folder, content)
    return content, records(folder), str(folder)


@pytest.mark.parametrize("event", ["update 9", "result 4"])
def test_killed_and_gone_on_with(small, tmp_path, event):
    """SIGKILL in a retraining, and while a result is noted."""
    content, _, _ = small
    if event.startswith("result"):
        grid(tmp_path, content, ok=-9, prepare=("kill", "at", *event.split()))
    else:  # only the training is killed; the grid says so
        said = grid(tmp_path, content, ok=False, env={"KILL": event})
        assert "training failed" in said and "train.log" in said and "Traceback" not in said
        assert len(records(tmp_path)) == 3
    grid(tmp_path, content)
    same_end(tmp_path, small)


def same_end(path, small):
    _, whole, folder = small
    gone_on = records(path)
    assert whole.keys() == gone_on.keys() and len(whole) == 4
    for point, record in whole.items():
        found = json.loads(json.dumps(gone_on[point]).replace(str(path), folder))
        assert same(found, record), point


def test_told_to_end_in_a_training(small, tmp_path):
    def run(**kwargs):
        return grid(tmp_path, small[0], **kwargs)

    interrupt(run, tmp_path / "out", signal.SIGTERM)
    grid(tmp_path, small[0])
    same_end(tmp_path, small)


def test_interrupted_by_hand(data, tmp_path):
    """SIGINT ends the training, whose own process would go on, and nothing is lost."""
    content = config(data, seeds=[1])
    content["points"] = content["points"][1:]  # a dense training and a retraining
    # the shell tells its process, which the training then is
    shell = f'echo $$ > {tmp_path}/pid; exec {BIN}/fairseq-train "$@"'
    content["train"]["command"] = f"sh -c {shlex.quote(shell)} sh"
    content["train"]["dense"] += " --max-update 100000 --max-epoch 100000"
    said = grid(tmp_path, content, ok=False, prepare=("kill", "at", "interrupt", 3))
    assert f"interrupted; the same command goes on in {tmp_path / 'out'}" in said
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert not (tmp_path / "out" / "results.jsonl").exists()


def test_dense_training_killed_and_gone_on_with(data, tmp_path):
    """With half of a checkpoint copied, in fairseq's own task."""
    content = config(data, seeds=[1])
    content["points"] = content["points"][1:]
    said = grid(tmp_path, content, ok=False, env={"KILL": "copy 1"})
    assert "seed 1 dense: the training failed" in said
    assert "[2/2]" in grid(tmp_path, content)


def test_a_training_that_ended_unseen_is_not_gone_on_with(data, dense, tmp_path):
    """fairseq makes one more update when it is started again after --max-update."""
    content = config(data, seeds=[1])
    content["train"]["dense"] = "--task translation --optimizer adam --max-update 7"
    content["points"] = content["points"][:1]
    content["points"][0].update(schemes=["class-blind"], sparsities=[0.5])
    grid(tmp_path, content)
    first = records(tmp_path)
    noted = tmp_path / "out" / "seed1" / "dense" / "training.json"
    state = json.loads(noted.read_text())
    noted.write_text(json.dumps({**state, "finished": False}))
    (tmp_path / "out" / "results.jsonl").unlink()
    grid(tmp_path, content)
    checkpoint = state_of(noted.parent / "checkpoint_last.pt")
    assert checkpoint["optimizer_history"][-1]["num_updates"] == 7
    assert all(same(first[point], record) for point, record in records(tmp_path).items())


def test_mended_options_start_a_training_anew(data, tmp_path):
    content = config(data, seeds=[1])
    content["points"] = content["points"][1:]
    wrong = {**content, "train": {**content["train"], "dense": "--task nothing"}}
    assert "training failed" in grid(tmp_path, wrong, ok=False)
    assert "[2/2]" in grid(tmp_path, content)
