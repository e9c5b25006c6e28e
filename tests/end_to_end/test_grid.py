"""``fairseq-prune grid``: its numbers against the stock commands, and mistakes."""

import json
import math
import re
import statistics

import pytest
from commands import PLUGIN, run, state_of
from grids import GENERATE, POINT, PRUNED, config, grid, records, same

from fairseq_prune.parameters.kinds import is_copy
from fairseq_prune.pruning import unpack

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    content = config(data)
    content["points"] += [
        {"kinds": ["from-start"], "schemes": ["class-blind"], "sparsities": [0.7]},
        {"kinds": ["iterative"], "schemes": ["class-blind"], "sparsities": [0.7], "seeds": [1]},
    ]
    said = grid(folder, content, "--jobs", "2", prepare=None)
    return folder, content, said


def scored(data, checkpoint, folder, size="--max-tokens 400"):
    """Perplexity and BLEU of fairseq's own commands and sacrebleu's."""
    common = ("--user-dir", PLUGIN, "--path", checkpoint, "--cpu", "--num-workers", "0",
              "--required-batch-size-multiple", "1")  # fmt: skip
    size = size.split()
    said = run("fairseq-validate", data, *common, "--task", "translation", *size)
    output = run("fairseq-generate", data, *common, *GENERATE.split(), *size)
    for name, pattern in (("hyp", r"^H-(\d+)\t[^\t]*\t(.*)$"), ("ref", r"^T-(\d+)\t(.*)$")):
        rows = sorted((int(k), text) for k, text in re.findall(pattern, output, re.MULTILINE))
        assert len(rows) == 30
        (folder / name).write_text("".join(text + "\n" for _, text in rows))
    score = run("sacrebleu", folder / "ref", "-i", folder / "hyp", "-w", "6")
    found = json.loads(score[score.index("{\n") :])
    return float(re.findall(r"ppl ([\d.]+)", said)[-1]), found["score"], found["signature"]


def count_kept(checkpoint):
    state = state_of(checkpoint)
    record = state.get("prune") or state["last_optimizer_state"]["prune"]
    return sum(int(unpack(m, record["shapes"][n]).sum()) for n, m in record["masks"].items())


@pytest.mark.parametrize(
    "point",
    [
        (2, "dense", None, 0.0),
        (1, "pruned", "class-uniform", 0.3),
        (2, "pruned", "class-distribution", 0.7),
        (1, "retrained", "class-blind", 0.7),
        (2, "from-start", "class-blind", 0.7),
        (1, "iterative", "class-blind", 0.7),
    ],
)
def test_scores_are_those_of_fairseq_and_sacrebleu(data, done, tmp_path, point):
    folder, _, _ = done
    found = records(folder)[point]
    if point[1] == "pruned":  # by the command that the record names
        words = found["command"].replace("PRUNED.pt", str(tmp_path / "PRUNED.pt")).split()
        run(*words)
        checkpoint = tmp_path / "PRUNED.pt"
    else:
        checkpoint = found["checkpoint"]
    perplexity, bleu, signature = scored(data, checkpoint, tmp_path)
    assert found["perplexity"] == pytest.approx(perplexity, abs=0.006)
    assert found["bleu"] == pytest.approx(bleu, abs=1e-4) and bleu > 0
    assert found["signature"] == signature
    model = state_of(checkpoint)["model"]
    total = sum(w.numel() for w in model.values() if w.dim() == 2)
    assert found["weights"] == total
    if point[1] == "dense":
        assert found["kept"] == total
        return
    assert found["kept"] == count_kept(checkpoint)
    assert abs(found["kept"] - (1 - point[3]) * total) <= 8  # class-uniform rounds 8 times
    assert sum(int(w.count_nonzero()) for w in model.values() if w.dim() == 2) <= found["kept"]


def test_every_point_is_there_and_none_was_written_for_the_pruned(done):
    folder, _, said = done
    found = records(folder)
    assert len(found) == 2 * (1 + 6 + 1 + 1) + 1
    assert len(list((folder / "out").glob("seed*/pruned*"))) == 0
    assert len(re.findall(r"\[\d+/19", said)) == 19 and "[19/19]" in said
    for record in found.values():
        assert record["seconds"] > 0 and record["versions"]["torch"]


def test_new_weights_are_other_than_the_dense_models(done):
    folder, _, _ = done
    found = records(folder)
    for seed in (1, 2):
        for kind, expected in (("retrained", seed), ("from-start", 1000 + seed)):
            command = found[seed, kind, "class-blind", 0.7]["command"]
            assert f"--seed {expected} " in command
            assert ("--prune-mask-from" in command) == (kind == "from-start")


def test_the_retrained_start_from_the_pruned(done):
    folder, _, _ = done
    found = records(folder)
    for seed in (1, 2):
        pruned = found[seed, "pruned", "class-blind", 0.7]
        retrained = found[seed, "retrained", "class-blind", 0.7]
        assert retrained["pruned_perplexity"] == pruned["perplexity"]
        dense = found[seed, "dense", None, 0.0]
        best = min(v["loss"] for v in dense["history"])
        # all validation sentences in both, so the logs' best loss is the score's logarithm
        assert best == pytest.approx(math.log2(dense["perplexity"]), abs=0.002)
        updates = [v["updates"] for v in retrained["history"]]
        assert len(updates) == 2 and updates[1] == 2 * updates[0]


def test_the_summary_is_over_seeds(done):
    folder, _, said = done
    found = records(folder)
    rows = json.loads((folder / "out" / "grid.json").read_text())["rows"]
    assert len(rows) == 10
    for row in rows:
        key = (row["kind"], row["scheme"], row["sparsity"])
        of = [record for point, record in found.items() if point[1:] == key]
        assert row["seeds"] == len(of) == (1 if row["kind"] == "iterative" else 2)
        for metric in ("bleu", "perplexity"):
            values = [r[metric] for r in of]
            assert row[metric]["mean"] == pytest.approx(statistics.mean(values))
            deviation = statistics.stdev(values) if len(of) > 1 else None
            assert row[metric]["deviation"] == pytest.approx(deviation)
    assert re.search(r"^pruned and retrained +class-blind +70% +2 +[\d.]+ ± [\d.]+ ", said, re.M)
    page = (folder / "out" / "grid.html").read_text()
    assert not re.search(r"(src|href)='(?!data:)", page) and page.count("<img ") == 3


def test_what_is_made_is_not_made_again(done):
    folder, content, _ = done
    path = folder / "out" / "results.jsonl"
    before = path.read_text()
    lines = before.splitlines(keepends=True)
    said = grid(folder, content)
    assert "19 of 19 points were made before" in said and path.read_text() == before
    points = [tuple(json.loads(line)[k] for k in POINT) for line in lines]
    k = points.index((2, "pruned", "class-uniform", 0.3))
    path.write_text("".join(lines[:k] + lines[k + 1 :]))
    said = grid(folder, content)
    again = path.read_text().splitlines()[-1]
    assert "[19/19]" in said and same(json.loads(again), json.loads(lines[k]))


def test_other_options_in_the_same_folder_are_refused(done):
    folder, content, _ = done
    other = {**content, "train": {**content["train"], "retrained": f"{PRUNED} --max-epoch 3"}}
    before = (folder / "out" / "grid.json").read_text()
    said = grid(folder, other, ok=False)
    assert "made by another command" in said and "--out" in said and "Traceback" not in said
    assert (folder / "out" / "grid.json").read_text() == before


def test_a_language_model_is_scored_by_perplexity_alone(text, tmp_path):
    options = """--task language_modeling --arch lstm_lm --decoder-embed-dim 16 --max-epoch 2
        --decoder-hidden-size 16 --decoder-out-embed-dim 16 --tokens-per-sample 32
        --sample-break-mode eos --optimizer sgd --lr 0.5 --cpu --num-workers 0 --batch-size 30"""
    content = config(text, seeds=[1], evaluate={})
    content["train"].update(all=f"--user-dir {PLUGIN}", dense=options)
    content["points"] = content["points"][:1]
    grid(tmp_path, content)
    found = records(tmp_path)
    assert len(found) == 7
    record = found[1, "dense", None, 0.0]
    assert record["bleu"] is None
    said = run(
        "fairseq-validate", text, "--user-dir", PLUGIN, "--path", record["checkpoint"],
        "--task", "language_modeling",
        "--tokens-per-sample", "32", "--sample-break-mode", "eos", "--batch-size", "4", "--cpu",
        "--num-workers", "0", "--required-batch-size-multiple", "1",
    )  # fmt: skip
    perplexity = float(re.findall(r"ppl ([\d.]+)", said)[-1])
    assert record["perplexity"] == pytest.approx(perplexity, abs=0.006)


def test_a_transformer(data, tmp_path):
    """Stock fairseq 0.12.2 would score with copies of the weights that it makes when it loads."""
    content = config(data, seeds=[1])
    content["train"]["all"] = f"""--user-dir {PLUGIN} --arch transformer_iwslt_de_en
        --encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --encoder-attention-heads 2
        --encoder-layers 2 --decoder-embed-dim 16 --decoder-ffn-embed-dim 32
        --decoder-attention-heads 2 --decoder-layers 2 --max-tokens 400 --cpu --num-workers 0
        --required-batch-size-multiple 1 --lr 0.01 --no-epoch-checkpoints"""
    content["points"] = [
        {"kinds": ["pruned"], "schemes": ["class-blind"], "sparsities": [0.3, 0.8]}
    ]
    grid(tmp_path, content)
    found = records(tmp_path)
    point = (1, "pruned", "class-blind", 0.8)
    run(*found[point]["command"].replace("PRUNED.pt", str(tmp_path / "PRUNED.pt")).split())
    perplexity, bleu, _ = scored(data, tmp_path / "PRUNED.pt", tmp_path)
    assert found[point]["perplexity"] == pytest.approx(perplexity, rel=0.001)
    assert found[point]["bleu"] == pytest.approx(bleu, abs=0.05)
    dense = found[1, "dense", None, 0.0]
    model = state_of(dense["checkpoint"])["model"]
    floats = [w for n, w in model.items() if w.dim() and not is_copy(n)]
    assert dense["bytes"]["dense"] == 4 * sum(w.numel() for w in floats if w.numel() > 1)


def test_gradual_pruning_by_what_the_dense_checkpoint_lacks(data, dense, tmp_path):
    plan = config(data, seeds=[1], dense=str(dense), evaluate={})
    gradual = "--prune-schedule gradual --prune-begin 1 --prune-every 1 --prune-end 3"
    plan["train"]["retrained"] = f"{PRUNED} --max-update 4 {gradual}"
    point = {"kinds": ["retrained"], "schemes": ["class-uniform"], "sparsities": [0.5]}
    grid(tmp_path, {**plan, "points": [{**point, "scores": ["movement"]}]})
    retrained = records(tmp_path)[1, "retrained", "class-uniform", 0.5]
    half = retrained["weights"] / 2
    assert retrained["kept"] == pytest.approx(half, abs=9)  # each class is rounded
    # nothing is pruned right at the start
    assert "pruned_perplexity" not in retrained


def test_mistakes(data, dense, tmp_path):
    good = config(data, seeds=[1], dense=str(dense))
    good["points"] = good["points"][:1]
    for changes, said in (
        ({"evaluate": {"generate": "--beam five"}}, "generate: --beam five"),
        ({"evaluate": {"generate": "", "references": "no.txt"}}, "references: no.txt"),
        ({"evaluate": {"generate": "--fp16"}}, "--fp16 is not for this"),
        ({"evaluate": {"valid": "nothing"}}, "valid: nothing: "),
        ({"dense": "no.pt"}, "no.pt does not exist"),
        ({"data": "nowhere"}, "no folder nowhere"),
        ({"points": [{"kinds": ["pruned"]}]}, "schemes must be a list"),
    ):
        output = grid(tmp_path, {**good, **changes}, ok=False)
        assert said in output and "Traceback" not in output, output
    (tmp_path / "few").write_text("one line\n")
    output = grid(
        tmp_path,
        {**good, "evaluate": {"generate": "", "references": str(tmp_path / "few")}},
        ok=False,
    )
    assert "1 references for 30 sentences" in output
    assert "--jobs 0" in grid(tmp_path, good, "--jobs", "0", ok=False)
