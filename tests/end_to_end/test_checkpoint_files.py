"""fairseq-prune prune and inspect on checkpoint files."""

import json
import os
import subprocess
import sys
import time

import torch
from commands import BIN, RETRAIN, equal, run, state_of, train

from fairseq_prune.pruning import unpack


def pruned_by_hand(model, sparsity):
    """The state dict after a stable sort of all magnitudes in parameter order."""
    names = [name for name, w in model.items() if w.dim() == 2]
    flat = torch.cat([model[name].flatten() for name in names])
    order = torch.sort(flat.abs(), stable=True)[1]
    flat[order[: round(sparsity * len(flat))]] = 0.0
    pieces = flat.split([model[name].numel() for name in names])
    return {name: piece.view_as(model[name]) for name, piece in zip(names, pieces)}


def test_prune_writes_what_a_sort_would(dense, tmp_path):
    out = tmp_path / "out.pt"
    run("fairseq-prune", "prune", dense, out, "--sparsity", "0.63")
    before, after = state_of(dense), state_of(out)
    assert equal(dict(after["model"]), pruned_by_hand(before["model"], 0.63))
    assert list(after["model"]) == list(before["model"])
    assert after["cfg"] == before["cfg"] or str(after["cfg"]) == str(before["cfg"])


def test_retraining_a_pruned_file_prunes_the_same(data, dense, tmp_path):
    """prune, then retrain from the result: the mask is that of pruning in training."""
    out = tmp_path / "out.pt"
    run("fairseq-prune", "prune", dense, out, "--sparsity", "0.8")
    train(data, tmp_path / "run", *RETRAIN, "--finetune-from-model", out, "--max-update", "1")
    record = state_of(tmp_path / "run/checkpoint_last.pt")["last_optimizer_state"]["prune"]
    for name, packed in state_of(out)["prune"]["masks"].items():
        assert torch.equal(packed, record["masks"][name])


def record_and_masks(path):
    record = state_of(path)["prune"]
    return record, {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}


def test_pruning_nothing_more_keeps_the_threshold(dense, tmp_path):
    one, two = tmp_path / "one.pt", tmp_path / "two.pt"
    run("fairseq-prune", "prune", dense, one, "--sparsity", "0.5")
    said = run("fairseq-prune", "prune", one, two, "--sparsity", "0.5")
    before, after = (state_of(path)["prune"] for path in (one, two))
    assert before["threshold"][""] > 0 and equal(after, before)
    assert f"threshold {before['threshold']['']:.6g}" in said


def test_each_ranking_that_prunes_nothing_more_keeps_its_threshold(dense, tmp_path):
    one, two = tmp_path / "one.pt", tmp_path / "two.pt"
    uniform = ("--scheme", "class-uniform", "--sparsity")
    run("fairseq-prune", "prune", dense, one, *uniform, "0.5")
    run("fairseq-prune", "prune", one, two, *uniform, "0.5005")  # of small classes no weight more
    (before, first), (after, second) = map(record_and_masks, (one, two))
    kept = 0
    for name, weight in (
        ("softmax", "decoder.fc_out"),
        ("source embedding", "encoder.embed_tokens"),
        ("source layer 1", "encoder.lstm.weight_"),
    ):
        names = [n for n in first if n.startswith(weight) and not n.endswith("l1")]
        model = state_of(dense)["model"]
        new = torch.cat([model[n][first[n] & ~second[n]].abs() for n in names])
        kept += not len(new)
        expected = float(new.max()) if len(new) else before["threshold"][name]
        assert after["threshold"][name] == expected > 0
    assert 0 < kept < 3


def test_a_threshold_in_scores_of_another_scheme_is_not_known(dense, tmp_path):
    one, two = tmp_path / "one.pt", tmp_path / "two.pt"
    run("fairseq-prune", "prune", dense, one, "--sparsity", "0.5")
    request = ("--scheme", "class-distribution", "--sparsity", "0.5")
    said = run("fairseq-prune", "prune", one, two, *request)
    assert state_of(two)["prune"]["threshold"] == {} and ", threshold" not in said
    assert "recorded, class-distribution to 0.5\n" in run("fairseq-prune", "inspect", two)


def inspected(path):
    """What ``inspect --json`` prints on standard output, which is to be JSON alone.

    Nothing is said of what fairseq would like to have installed.
    """
    command = [str(BIN / "fairseq-prune"), "inspect", str(path), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    assert done.stderr == b""
    return json.loads(done.stdout.decode())


def test_inspect_says_what_is_in_the_file(retrained):
    path = retrained[0] / "checkpoint_best.pt"
    found = inspected(path)
    state = state_of(path)
    record = state["last_optimizer_state"]["prune"]
    masks = {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}
    assert found["pruned"] == sum(int((~m).sum()) for m in masks.values())
    assert found["bytes"] == path.stat().st_size
    assert found["scheme"] == "class-blind" and found["target_sparsity"] == 0.8
    rows = {c["name"]: c for c in found["classes"]}
    assert list(rows) == [
        "source embedding", "source layer 1", "source layer 2", "target embedding",
        "target layer 1", "target layer 2", "attention", "softmax",
    ]  # fmt: skip
    layer = rows["target layer 2"]
    both = [masks[f"decoder.lstm.weight_{kind}_l1"] for kind in ("ih", "hh")]
    assert layer["pruned"] == sum(int((~m).sum()) for m in both)
    # forget gate: the second quarter of the rows, in torch's order i, f, g, o
    quarter = both[1].shape[0] // 4
    density = {(g["gate"], g["input"]): g["density"] for g in layer["gates"]}
    assert density["f", "recurrent"] == both[1][quarter : 2 * quarter].float().mean().item()
    assert len(density) == 8


def test_inspect_of_a_dense_model_counts_zeros(dense):
    found = inspected(dense)
    weights = [w for w in state_of(dense)["model"].values() if w.dim() == 2]
    assert found["pruned"] == sum(int((w == 0).sum()) for w in weights)
    assert found["scheme"] is None and found["threshold"] is None


def test_old_checkpoint_format_is_read(dense, tmp_path):
    state = state_of(dense)
    torch.save(state, str(tmp_path / "old.pt"), _use_new_zipfile_serialization=False)
    out = run("fairseq-prune", "inspect", tmp_path / "old.pt")
    assert "source embedding" in out


def test_memory_stays_below_the_size_of_the_checkpoint(tmp_path):
    """Mapped, not read: the process' own memory grows by masks and working space only."""
    weights = 40_000_000
    state = {
        "cfg": None,
        "model": {"decoder.embed_tokens.weight": torch.rand(weights // 1000, 1000)},
        "last_optimizer_state": {"state": {0: {"exp_avg": torch.rand(weights)}}},
        "extra_state": {},
    }
    torch.save(state, str(tmp_path / "big.pt"))
    del state
    command = [str(BIN / "fairseq-prune"), "prune", "big.pt", "out.pt", "--sparsity", "0.8"]
    process = subprocess.Popen(command, cwd=str(tmp_path), stdout=subprocess.DEVNULL)
    seen = []
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as f:
                anonymous = [line.split()[1] for line in f if line.startswith("RssAnon")]
            seen += map(int, anonymous)
        except (OSError, ProcessLookupError):
            break
        time.sleep(0.02)
    assert process.wait() == 0
    # importing fairseq and torch is what the first samples see grow; the model is 160 MB,
    # the file 320 MB, a mask 40 MB
    baseline = import_memory()
    if mapping_works():
        assert max(seen) - baseline < 140_000, "KiB of its own memory"
    assert state_of(tmp_path / "out.pt")["prune"]["sparsity"] == 0.8


def mapping_works():
    return tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 4)


def import_memory():
    """KiB of memory of its own that a process holds once it has imported the plugin."""
    code = (
        "import fairseq_prune.cli.main, fairseq_prune.cli.prune\n"
        "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('RssAnon')][0])"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    return int(done.stdout.split()[-1])


def test_through_links_in_a_save_dir(data, dense, tmp_path):
    """As a user lays them: to another disk, and to what is not there yet."""
    run, disk = tmp_path / "run", tmp_path / "disk"
    run.mkdir()
    disk.mkdir()
    names = ("checkpoint_best.pt", "checkpoint_last.pt")
    for name in names:
        (run / name).symlink_to(disk / name)
    train(data, run, *RETRAIN, "--finetune-from-model", dense, "--max-update", "1")
    assert all((run / name).is_symlink() and state_of(disk / name)["model"] for name in names)
    assert sorted(os.listdir(str(disk))) == sorted(os.listdir(str(run))) == sorted(names)
