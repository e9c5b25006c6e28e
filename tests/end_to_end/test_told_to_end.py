"""Commands that are told to end, or killed, in a training or while they write."""

import os
import shlex
import signal

import pytest
from commands import FORKED, PLUGIN, SMALL, equal, run, server, state_of
from interruption import WITH_A_CHILD, interrupt
from plans import METHODS, config, methods

ROUND = """
    --task pruned_translation --optimizer pruned_sgd --momentum 0.9 --lr 0.5 --max-epoch 1
    --save-interval-updates 1 --keep-interval-updates 1
""".split()


def iterate(data, dense, out, **kwargs):
    env = {"FORK_SERVER": server(), "CHILD": f"{out}.child", **kwargs.pop("env", {})}
    return run(
        "fairseq-prune", "iterate", "--from", dense, "--out", out, "--sparsity", "0.9",
        "--rounds", "1", "--", *WITH_A_CHILD, *FORKED, "fairseq-train", data,
        "--user-dir", PLUGIN, *SMALL, *ROUND, env=env, **kwargs,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(data, dense, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    iterate(data, dense, out)
    return state_of(out / "round1" / "checkpoint_last.pt")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_iterate(data, dense, whole, tmp_path, how):
    out = tmp_path / "out"
    interrupt(lambda **kwargs: iterate(data, dense, out, **kwargs), out, how)
    assert (out / "round1" / "checkpoint_last.pt").exists()
    iterate(data, dense, out)
    found = state_of(out / "round1" / "checkpoint_last.pt")
    assert equal(found["model"], whole["model"])
    assert equal(found["last_optimizer_state"], whole["last_optimizer_state"])


def test_methods(text, tmp_path):
    content = config(text, methods=METHODS[:1])
    content["command"] = shlex.join([*WITH_A_CHILD, *FORKED, "fairseq-train"])

    def make(**kwargs):
        return methods(tmp_path, content, **kwargs)

    interrupt(make, tmp_path / "out", signal.SIGHUP)
    assert "[1/1] dense" in make(env={"CHILD": str(tmp_path / "child")})


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_while_it_writes(dense, tmp_path, how):
    """Half a file is there; what stood in its place stays, and a next run clears up."""
    out = tmp_path / "out.pt"
    out.write_bytes(b"precious")
    words = ("fairseq-prune", "prune", dense, out, "--sparsity", "0.5")
    killed = how == signal.SIGKILL
    run(*words, prepare=("kill", "at", "write", 1, how), ok=-how if killed else 128 + how)
    assert out.read_bytes() == b"precious"
    assert len(os.listdir(str(tmp_path))) == (2 if killed else 1)
    if killed:
        run(*words)
        assert state_of(out) and os.listdir(str(tmp_path)) == ["out.pt"]
