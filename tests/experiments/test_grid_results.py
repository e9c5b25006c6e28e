"""Results, their summary, what logs say, sizes and estimates, against plain calculations."""

import json
import math

import pytest
import torch
from full_disk import limited

from fairseq_prune.experiments.history import history
from fairseq_prune.experiments.points import Point
from fairseq_prune.experiments.progress import Progress, duration, estimate
from fairseq_prune.experiments.results import Results
from fairseq_prune.experiments.summary import storage, summarise
from fairseq_prune.pruning import PruneError

A = Point(1, "pruned", "class-blind", 0.8)
B = Point(1, "dense")


def test_results_survive_a_kill_in_the_middle_of_a_line(tmp_path):
    path = tmp_path / "results.jsonl"
    results = Results(str(path))
    results.add(A, {"bleu": 1.0})
    results.add(B, {"bleu": 2.0})
    whole = path.read_bytes()
    for cut in range(whole.index(b"\n") + 1, len(whole)):
        path.write_bytes(whole[:cut])
        again = Results(str(path))
        assert again.get(A)["bleu"] == 1.0 and again.get(B) is None
        again.add(B, {"bleu": 2.0})
        assert path.read_bytes() == whole


def test_the_last_line_of_a_point_counts(tmp_path):
    path = str(tmp_path / "results.jsonl")
    for value in (1.0, 3.0):
        Results(path).add(A, {"bleu": value})
    results = Results(path)
    assert results.get(A)["bleu"] == 3.0 and len(results.of([A, B])) == 1
    record = json.loads(open(path).readlines()[-1])
    assert [record[k] for k in ("seed", "kind", "scheme", "sparsity")] == [
        1, "pruned", "class-blind", 0.8,
    ]  # fmt: skip


def test_no_room_for_a_line(tmp_path):
    path = tmp_path / "results.jsonl"
    points = [Point(seed, "dense") for seed in range(3)]
    Results(str(path)).add(points[0], {"bleu": 1.0})
    before, results = path.read_bytes(), Results(str(path))
    with limited(len(before) + 9):
        with pytest.raises(PruneError, match=f"cannot write {path}: File too large"):
            results.add(points[1], {"bleu": 2.0})
    assert path.read_bytes() == before
    results.add(points[2], {"bleu": 3.0})
    assert [r["bleu"] for r in Results(str(path)).of(points)] == [1.0, 3.0]


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text('{"seed": 1}\n{}\n')
    with pytest.raises(PruneError, match="line 1 is damaged"):
        Results(str(path))


def record(seed, bleu, kept, kind="pruned"):
    return {
        "seed": seed, "kind": kind, "scheme": "class-blind", "sparsity": 0.5, "weights": 100,
        "kept": kept, "bytes": {"dense": 400, "csr": kept * 8, "bound": kept * 5},
        "bleu": bleu, "perplexity": 2.0 * seed,
    }  # fmt: skip


def test_summary_over_seeds():
    found = [record(1, 20.0, 50), record(1, 7.0, 50, "retrained"), record(2, 22.0, 52)]
    found.append(record(3, 27.0, 54))
    pruned, retrained = summarise(found)
    assert pruned["seeds"] == 3 and pruned["kept"] == 52 and pruned["bytes"]["csr"] == 416
    # by hand: deviations -3, -1, 4 from 23; their squares 9 + 1 + 16 = 26, over n - 1 = 2
    assert pruned["bleu"] == {"mean": 23.0, "deviation": pytest.approx(math.sqrt(13))}
    assert pruned["perplexity"]["mean"] == 4.0
    assert retrained["bleu"] == {"mean": 7.0, "deviation": None}
    assert summarise([record(1, None, 50)])[0]["bleu"] is None
    (row,) = summarise([record(1, 5.0, 50), record(2, math.inf, 50)])
    assert row["bleu"] == {"mean": math.inf, "deviation": None}


def line(updates, loss, tag="valid", **more):
    stats = {f"{tag}_loss": "9.9", f"{tag}_nll_loss": str(loss), f"{tag}_num_updates": str(updates)}
    return f"2026-01-01 00:00:00 | INFO | {tag} | {json.dumps({'epoch': 1, **stats, **more})}"


def test_history_of_a_log():
    lines = [
        "noise", line(10, 5.5), line(10, 1.0, tag="test"), line(20, 5.0),
        '... | train_inner | {"loss": "3"}', line(30, "nan"), '... | valid | {"valid_loss": "3"}',
        line(20, 4.9),  # killed after 20, gone on from 10
        line(30, 4.5),
    ]  # fmt: skip
    assert history(lines) == [
        {"updates": 10, "loss": 5.5},
        {"updates": 20, "loss": 4.9},
        {"updates": 30, "loss": 4.5},
    ]
    assert history(lines, "test") == [{"updates": 10, "loss": 1.0}]
    plain = '| valid | {"valid_loss": "3.5", "valid_num_updates": "7"}'
    assert history([plain]) == [{"updates": 7, "loss": 3.5}]


def test_storage_of_one_matrix():
    weight, bias = torch.zeros(10, 10), torch.zeros(10)
    mask = torch.zeros(10, 10, dtype=torch.bool)
    mask[:2] = True  # a fifth
    found = storage([weight, bias], {"w": mask})
    assert found["dense"] == 440
    assert found["csr"] == 40 + 20 * 8 + 11 * 4
    # 0.2 log2 5 + 0.8 log2 1.25 = 0.7219 bits for each of 100 weights
    assert found["bound"] == pytest.approx(40 + 80 + 100 * 0.721928 / 8, abs=1e-4)
    for whole in (torch.ones(10, 10), torch.zeros(10, 10)):
        kept = int(whole.sum())
        assert storage([weight, bias], {"w": whole.bool()})["bound"] == 40 + 4 * kept


def test_paper_scale_bits_a_weight():
    """7.12 and 3.67 bits a weight at 80% and 90%: the entropy and 32 bits of each kept."""
    for sparsity, bits in ((0.8, 7.12), (0.9, 3.67), (0.95, 1.89)):
        mask = torch.arange(10000).view(100, 100) >= sparsity * 10000
        found = storage([torch.zeros(100, 100)], {"w": mask})
        assert found["bound"] * 8 / 10000 == pytest.approx(bits, abs=0.005)
        shuffled = mask.reshape(-1)[torch.randperm(10000)].view(100, 100)
        packed = storage([torch.zeros(100, 100)], {"w": shuffled})["packed"]
        assert 0.99 * found["bound"] < packed < 1.03 * found["bound"]


def test_estimate():
    seconds = {"pruned": [2.0, 4.0], "retrained": [100.0]}
    assert estimate(["pruned"] * 10, seconds, 1) == (30.0, True)
    assert estimate(["pruned"] * 2 + ["retrained"] * 4, seconds, 2) == (203.0, True)
    assert estimate(["retrained"], seconds, 4) == (100.0, True)  # one cannot be shared
    assert estimate(["retrained", "from-start"], seconds, 1) == (100.0, False)
    assert estimate(["from-start"], {}, 1) == (0.0, False)


def test_progress():
    progress = Progress(["pruned", "pruned", "retrained"], [("dense", 60.0)], 1)
    assert progress.finish("pruned", 4.0) == "[2/4, more than 4 s left]"
    assert progress.finish("retrained", 300.0) == "[3/4, about 4 s left]"
    assert progress.finish("pruned", 4.0) == "[4/4]"
    assert [duration(s) for s in (40, 720, 12000)] == ["40 s", "12 min", "3 h 20 min"]
