"""``fairseq-prune grid``: its numbers against the stock commands, interruption, mistakes."""

import json
import math
import os
import re
import shlex
import statistics

import pytest
import yaml
from commands import BIN, FORKED, PLUGIN, run, server, state_of

from fairseq_prune.models.weight_classes import is_copy
from fairseq_prune.pruning import unpack

pytest.importorskip("matplotlib")

ALL = f"""
    --user-dir {PLUGIN} --arch pruned_lstm_nmt_tiny --init-range 0.5 --max-tokens 400 --cpu
    --required-batch-size-multiple 1 --num-workers 0 --clip-norm 5 --log-interval 1
    --no-epoch-checkpoints --lr 0.02
"""
PRUNED = "--task pruned_translation --optimizer pruned_adam"
MODULE = ("python", "-m", "fairseq_prune.cli.main")
POINT = ("seed", "kind", "scheme", "sparsity")
GENERATE = "--beam 2 --batch-size 7 --max-len-b 15"


def config(data, **changes):
    return {
        "data": str(data),
        "seeds": [1, 2],
        "train": {
            "command": " ".join([*FORKED, "fairseq-train"]),
            "all": ALL,
            "dense": "--task translation --optimizer adam --max-epoch 8",
            "retrained": f"{PRUNED} --max-epoch 2",
            "from-start": f"{PRUNED} --max-epoch 8",
            "iterative": f"{PRUNED} --max-epoch 1",
        },
        "iterate": "--rounds 2",
        "evaluate": {"generate": GENERATE},
        "points": [
            {
                "kinds": ["pruned"],
                "schemes": ["class-blind", "class-uniform", "class-distribution"],
                "sparsities": [0.3, 0.7],
            },
            {"kinds": ["retrained"], "schemes": ["class-blind"], "sparsities": [0.7]},
        ],
        **changes,
    }


def grid(folder, content, *options, name="out", command=("fairseq-prune",), **kwargs):
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(content))
    env = {"FORK_SERVER": server(), **kwargs.pop("env", {})}
    return run(*command, "grid", path, "--out", folder / name, *options, env=env, **kwargs)


def records(folder, name="out"):
    with open(folder / name / "results.jsonl", encoding="utf-8") as f:
        found = [json.loads(line) for line in f]
    return {tuple(r[k] for k in POINT): r for r in found}


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    content = config(data)
    content["points"] += [
        {"kinds": ["from-start", "iterative"], "schemes": ["class-blind"], "sparsities": [0.7]}
    ]
    said = grid(folder, content, "--jobs", "2")
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
    assert len(found) == 2 * (1 + 6 + 1 + 2)
    assert len(list((folder / "out").glob("seed*/pruned*"))) == 0
    assert len(re.findall(r"\[\d+/20", said)) == 20 and "[20/20]" in said
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
        assert row["seeds"] == len(of) == 2
        for metric in ("bleu", "perplexity"):
            values = [r[metric] for r in of]
            assert row[metric]["mean"] == pytest.approx(statistics.mean(values))
            assert row[metric]["deviation"] == pytest.approx(statistics.stdev(values))
    assert re.search(r"^pruned and retrained +class-blind +70% +2 +[\d.]+ ± [\d.]+ ", said, re.M)
    page = (folder / "out" / "grid.html").read_text()
    assert not re.search(r"(src|href)='(?!data:)", page) and page.count("<img ") == 3


def test_what_is_made_is_not_made_again(done):
    folder, content, _ = done
    path = folder / "out" / "results.jsonl"
    before = path.read_text()
    lines = before.splitlines(keepends=True)
    said = grid(folder, content)
    assert "20 of 20 points were made before" in said and path.read_text() == before
    points = [tuple(json.loads(line)[k] for k in POINT) for line in lines]
    k = points.index((2, "pruned", "class-uniform", 0.3))
    path.write_text("".join(lines[:k] + lines[k + 1 :]))
    said = grid(folder, content)
    again = path.read_text().splitlines()[-1]
    assert "[20/20]" in said and same(json.loads(again), json.loads(lines[k]))


def same(a, b):
    """Whether two records are of the same result, their times apart."""
    return {**a, "seconds": 0} == {**b, "seconds": 0}


def test_other_options_in_the_same_folder_are_refused(done):
    folder, content, _ = done
    other = {**content, "train": {**content["train"], "retrained": f"{PRUNED} --max-epoch 3"}}
    before = (folder / "out" / "grid.json").read_text()
    said = grid(folder, other, ok=False)
    assert "made by another command" in said and "--out" in said and "Traceback" not in said
    assert (folder / "out" / "grid.json").read_text() == before


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
    content, whole, folder = small
    if event.startswith("result"):
        grid(tmp_path, content, ok=-9, prepare=("kill", "at", *event.split()))
    else:  # only the training is killed; the grid says so
        said = grid(tmp_path, content, ok=False, env={"KILL": event})
        assert "training failed" in said and "train.log" in said and "Traceback" not in said
        assert len(records(tmp_path)) == 3
    grid(tmp_path, content)
    gone_on = records(tmp_path)
    assert whole.keys() == gone_on.keys() and len(whole) == 4
    for point, record in whole.items():
        found = json.loads(json.dumps(gone_on[point]).replace(str(tmp_path), folder))
        assert same(found, record), point


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
    # one at a time: padded ones fail in fairseq 0.12.2 on a CPU
    perplexity, bleu, _ = scored(data, tmp_path / "PRUNED.pt", tmp_path, "--batch-size 1")
    assert found[point]["perplexity"] == pytest.approx(perplexity, rel=0.001)
    assert found[point]["bleu"] == pytest.approx(bleu, abs=0.05)
    dense = found[1, "dense", None, 0.0]
    model = state_of(dense["checkpoint"])["model"]
    floats = [w for n, w in model.items() if w.dim() and not is_copy(n)]
    assert dense["bytes"]["dense"] == 4 * sum(w.numel() for w in floats if w.numel() > 1)


def test_mistakes(data, dense, tmp_path):
    good = config(data, seeds=[1], dense=str(dense))
    good["points"] = good["points"][:1]
    for changes, said in (
        ({"evaluate": {"generate": "--beam five"}}, "generate: --beam five"),
        ({"evaluate": {"generate": "", "references": "no.txt"}}, "references: no.txt"),
        ({"evaluate": {"generate": "--replace-unk"}}, "--replace-unk is not for this"),
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
    assert "1 references for 30 translations" in output
    assert "--jobs 0" in grid(tmp_path, good, "--jobs", "0", ok=False)


def test_figures_and_results_go_to_wandb(small, tmp_path):
    content, found, _ = small
    content = {**content, "points": content["points"][:1]}
    env = {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}
    # not in a fork of a process that has imported wandb, whose temporary folder is gone there
    grid(tmp_path, content, "--wandb-project", "pruning", env=env, command=MODULE)
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    media = folder / "files" / "media"
    sent = {path.name.split("_")[0]: path for path in (media / "images").iterdir()}
    assert sent["schemes"].read_bytes() == (tmp_path / "out" / "schemes.png").read_bytes()
    (table,) = (media / "table").iterdir()
    table = json.loads(table.read_text())
    rows = [dict(zip(table["columns"], row)) for row in table["data"]]
    assert len(rows) == 3
    for row in rows:
        record = found[1, row["kind"], row["scheme"], row["sparsity"]]
        assert row["bleu"] == record["bleu"] and row["perplexity"] == record["perplexity"]
