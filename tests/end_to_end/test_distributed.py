"""Two processes (gloo, on the CPU) prune as one does with twice the --update-freq."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from commands import equal, run, state_of, train

from fairseq_prune.pruning import unpack

RUN = """
    --task pruned_translation --optimizer pruned_sgd --momentum 0.9 --lr 0.5 --dropout 0
    --prune-scheme class-blind --prune-sparsity 0.8
    --prune-schedule iterative --prune-rounds 2 --prune-every 3
    --save-interval-updates 4 --keep-interval-updates 1
""".split()


def two(data, folder, *args, backend, ok=True, prepare=(None, None)):
    """Train in two processes; their outputs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        *RUN, *args, "--distributed-world-size", "2", "--distributed-no-spawn",
        "--distributed-init-method", f"tcp://127.0.0.1:{port}",
        "--distributed-backend", "gloo", "--ddp-backend", backend,
    ]  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(
                train, data, folder, *options, "--distributed-rank", rank,
                ok=ok, prepare=prepare[rank],
            )
            for rank in (0, 1)
        ]  # fmt: skip
        return [done.result() for done in runs]


def loss(output):
    return [float(x) for x in re.findall(r'"valid_loss": "([\d.]+)"', output)]


def pruned(state):
    return sum(int((w == 0).sum()) for w in state["model"].values() if w.dim() == 2)


@pytest.mark.parametrize(
    "backend, spy",
    [("legacy_ddp", "on_masks"), ("pytorch_ddp", "on_masks_with_ddp_on_the_cpu")],
)
def test_two_processes_are_one_with_twice_the_update_freq(data, dense, tmp_path, backend, spy):
    start = ("--finetune-from-model", dense, "--max-update", "6")
    spies = [("spy", spy, str(tmp_path / f"masks{rank}")) for rank in (0, 1)]
    outputs = two(data, tmp_path / "two", *start, backend=backend, prepare=spies)
    single = train(data, tmp_path / "one", *RUN, *start, "--update-freq", "2")
    masks = [(tmp_path / f"masks{rank}").read_text().split() for rank in (0, 1)]
    assert masks[0] == masks[1]
    assert len(set(masks[0])) == 3, "no mask, and those of two prunings"
    one, both = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("one", "two"))
    total = sum(w.numel() for w in one["model"].values() if w.dim() == 2)
    assert pruned(one) == pruned(both) == round(0.8 * total)
    assert loss(outputs[0]) == pytest.approx(loss(single), abs=2e-3)
    assert len(loss(single)) >= 2
    assert both["optimizer_history"][-1]["num_updates"] == 6


def test_two_processes_learn_from_a_teacher_as_one_does(data, dense, tmp_path):
    """Each has the whole of it; it takes no part in what they exchange."""
    arguments = ("--criterion", "distillation", "--finetune-from-model", dense, "--max-update", "6")
    outputs = two(data, tmp_path / "two", *arguments, backend="legacy_ddp")
    single = train(data, tmp_path / "one", *RUN, *arguments, "--update-freq", "2")
    both, alone = (
        [float(x) for x in re.findall(r'"teacher_kl": "([\d.]+)"', output)]
        for output in (outputs[0], single)
    )
    assert both == pytest.approx(alone, abs=5e-3) and len(both) >= 6
    assert loss(outputs[0]) == pytest.approx(loss(single), abs=2e-3)
    assert state_of(tmp_path / "two" / "checkpoint_last.pt")["criterion"] is None


def test_two_processes_resume_exactly(data, dense, tmp_path):
    start = ("--finetune-from-model", dense, "--max-update", "8")
    two(data, tmp_path / "whole", *start, backend="legacy_ddp")
    kill = ("kill", "at", "update", "5")
    two(data, tmp_path / "cut", *start, backend="legacy_ddp", ok=-9, prepare=(kill, kill))
    two(data, tmp_path / "cut", *start, backend="legacy_ddp")
    whole, cut = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "cut"))
    assert equal(whole["model"], cut["model"])
    assert equal(whole["last_optimizer_state"], cut["last_optimizer_state"])


@pytest.mark.parametrize("other", ["other_masks", "no_masks"])
def test_different_masks_end_both_processes(data, dense, tmp_path, other):
    """Also where one has none: it takes part in what they exchange."""
    pruned = tmp_path / "p.pt"
    run("fairseq-prune", "prune", dense, pruned, "--sparsity", "0.3")
    start = ("--finetune-from-model", pruned, "--max-update", "6")
    other = ("spy", other, "")
    outputs = two(
        data, tmp_path / "run", *start, backend="legacy_ddp", ok=False, prepare=(None, other)
    )
    for output in outputs:
        assert "chose different masks" in output and "Traceback" not in output


FISHER = "--prune-score fisher --prune-samples 120 --prune-every 4 --max-update 5".split()


def first_mask(folder):
    (path,) = folder.glob("checkpoint_*_4.pt")
    record = state_of(path)["last_optimizer_state"]["prune"]
    return torch.cat([unpack(m, record["shapes"][n]).flatten() for n, m in record["masks"].items()])


@pytest.mark.parametrize("score", ["fisher", "obs"])
def test_two_processes_calibrate_as_one(data, dense, tmp_path, score):
    """Each looks at its share of the batches; all prune by the mean over all of them."""
    start = (*FISHER, "--prune-score", score, "--finetune-from-model", dense)
    spies = [("spy", "on_statistics", str(tmp_path / str(rank))) for rank in (0, 1, 2)]
    two(data, tmp_path / "two", *start, backend="pytorch_ddp", prepare=spies[:2])
    train(data, tmp_path / "one", *RUN, *start, prepare=spies[2])
    first, second, alone = (torch.load(str(tmp_path / str(rank))) for rank in (0, 1, 2))
    assert len(first) == len(second) == len(alone) == 2, "prunings"
    assert equal([c["means"] for c in first], [c["means"] for c in second])
    # the later one is of weights that were trained with other batches
    shared, whole = first[0]["means"], alone[0]["means"]
    assert shared.keys() == whole.keys()
    for name, mean in shared.items():
        assert torch.allclose(mean, whole[name], rtol=1e-4, atol=1e-12)
    counts = [calibrations[0]["batches"] for calibrations in (first, second, alone)]
    assert counts[0] + counts[1] == counts[2] and abs(counts[0] - counts[1]) <= 1
    assert 8 <= counts[2] <= 12
    masks, one = (first_mask(tmp_path / name) for name in ("two", "one"))
    assert [int((~mask).sum()) for mask in (masks, one)] == [round((1 - 0.2**0.5) * len(one))] * 2
    assert int((masks ^ one).sum()) <= 4, "they differ by rounding alone"


def test_survivors_are_where_the_first_process_moves_them(data, dense, tmp_path):
    paths = [tmp_path / str(rank) for rank in (0, 1)]
    two(
        data, tmp_path / "run", *FISHER, "--prune-score", "kron", "--finetune-from-model", dense,
        backend="pytorch_ddp",
        prepare=(("spy", "survivors_at", str(paths[0])), ("spy", "other_survivors", str(paths[1]))),
    )  # fmt: skip
    first, second = (torch.load(str(path)) for path in paths)
    assert equal(first, second)


@pytest.mark.parametrize(
    "how, said",
    [("gradient", "is NaN or infinite in batch 2 of the calibration"), ("error", "user's own")],
)
def test_a_calibration_that_fails_in_one_process_ends_both(data, dense, tmp_path, how, said):
    fails = ("spy", "failing_calibration", how)
    outputs = two(
        data, tmp_path / "run", *FISHER, "--finetune-from-model", dense, backend="legacy_ddp",
        ok=False, prepare=(None, fails),
    )  # fmt: skip
    assert "another process of this run could not calibrate; see there" in outputs[0]
    assert "Traceback" not in outputs[0]
    assert said in outputs[1] and ("Traceback" in outputs[1]) == (how == "error")
