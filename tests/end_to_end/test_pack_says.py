"""What fairseq-prune pack says, and notes of the dictionaries."""

import hashlib
import json
import math
import subprocess

import pytest
import torch
from commands import BIN, run, state_of
from forged import content_of, taken_apart

from fairseq_prune.pruning import unpack


def pack(source, target, *args):
    return run("fairseq-prune", "pack", source, target, *args)


def test_sizes_are_near_the_entropy(retrained, tmp_path):
    source, target = retrained[0] / "checkpoint_best.pt", tmp_path / "model.packed"
    command = [str(BIN / "fairseq-prune"), "pack", str(source), str(target), "--json"]
    # standard output is to be JSON alone
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode())
    state = state_of(source)
    model, record = state["model"], state["last_optimizer_state"]["prune"]
    masks = {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}
    bound = 0.0
    for name, weight in model.items():
        mask = masks.get(name, torch.ones_like(weight).bool())
        p = mask.double().mean().item()
        entropy = -p * math.log2(p) - (1 - p) * math.log2(1 - p) if p < 1 else 0
        bound += mask.numel() * entropy / 8 + 4 * int(mask.sum())
    header, data = taken_apart(target)
    assert found["bound_bytes"] == pytest.approx(bound)
    assert found["file_bytes"] == target.stat().st_size
    assert found["parameters"] == sum(w.numel() for w in model.values())
    assert found["dense_bytes"] == 4 * found["parameters"]
    assert found["left_out"] == ["the optimizer's state"]
    assert len(data) <= 1.03 * bound + 20 * len(header)


def test_inspect_says_the_same_of_both(retrained, tmp_path):
    source, target = retrained[0] / "checkpoint_best.pt", tmp_path / "model.packed"
    pack(source, target)
    whole, packed = (
        json.loads(run("fairseq-prune", "inspect", path, "--json")) for path in (source, target)
    )
    assert packed.pop("bytes") == target.stat().st_size < whole.pop("bytes") / 3
    assert packed.pop("checkpoint") == str(target) and whole.pop("checkpoint") == str(source)
    assert packed == whole and packed["sparsity"] == pytest.approx(0.8, abs=1e-4)


def noted(path):
    return content_of(taken_apart(path)[0])["dictionaries"]


def test_dictionaries_are_noted_by_the_hash_of_their_symbols(data, retrained, tmp_path):
    pack(retrained[0] / "checkpoint_best.pt", tmp_path / "model.packed")
    expected = {}
    for side, language in (("source", "en"), ("target", "de")):
        text = (data / f"dict.{language}.txt").read_text(encoding="utf-8")
        words = [line.split(" ")[0] for line in text.splitlines()]
        symbols = "\n".join(["<s>", "<pad>", "</s>", "<unk>", *words])
        expected[side] = hashlib.sha256(symbols.encode()).hexdigest()
    assert noted(tmp_path / "model.packed") == expected


def test_data_that_are_gone(dense, data, tmp_path):
    """Said once, and not needed where a packed model is packed again."""
    state = state_of(dense)
    state["cfg"]["task"]["data"] = str(tmp_path / "moved")
    torch.save(state, str(tmp_path / "model.pt"))
    once, twice = tmp_path / "once.packed", tmp_path / "twice.packed"
    said = pack(tmp_path / "model.pt", once)
    assert "the dictionaries are not noted: there is no folder" in said and "give --data" in said
    assert noted(once) == {}
    assert "dictionaries" not in pack(tmp_path / "model.pt", once, "--data", data)
    assert "dictionaries" not in pack(once, twice)
    assert set(noted(once)) == {"source", "target"} and noted(once) == noted(twice)
