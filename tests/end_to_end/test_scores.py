"""Scores that look at data, at the optimizer or at nothing: in training, in files and in grids."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from commands import DECODE, FORKED, PLUGIN, REPO, SMALL, equal, lines, run, server, state_of, train
from grids import PRUNED, config, grid
from language_models import LM

from fairseq_prune.parameters.weight_classes import fairseq_classes
from fairseq_prune.pruning import prune, unpack

TASK = "--task pruned_translation --prune-scheme class-blind --prune-sparsity 0.8".split()
#: Trains nothing: what is left is what the pruning left.
STILL = "--optimizer pruned_sgd --lr 1e-30 --momentum 0 --max-update 1".split()
#: 3 updates an epoch, pruned before updates 3, 5 and 7: in three epochs.
GRADUAL = """
    --optimizer pruned_adam --lr 0.01 --dropout 0.2 --update-freq 2
    --prune-score fisher --prune-samples 64 --prune-schedule gradual --prune-end 6 --prune-every 2
    --max-update 8 --save-interval-updates 1
""".split()
#: A transformer with a table for both, layers that drop out, and 8 of everything.
TIED = """
    --arch transformer --share-decoder-input-output-embed --encoder-embed-dim 8
    --encoder-ffn-embed-dim 8 --encoder-attention-heads 2 --encoder-layers 2 --decoder-embed-dim 8
    --decoder-ffn-embed-dim 8 --decoder-attention-heads 2 --decoder-layers 1 --seed 3 --cpu
    --required-batch-size-multiple 1 --num-workers 0 --max-tokens 400 --log-format json
    --no-epoch-checkpoints --dropout 0.2 --encoder-layerdrop 0.4
""".split()
#: A statistic, a score and a scheme of a user's own.
OWN = """
import torch
import fairseq_prune
from fairseq_prune.pruning import SCHEMES, SCORES, Scheme, Score, Statistic

class Cubes(Statistic):
    def of_gradient(self, gradient):
        return gradient.abs() ** 3

def cubic(inputs, power=1.0):
    def scorer(values):
        return lambda piece, position: piece.abs() * values[position : position + len(piece)]

    return {
        name: scorer(value.flatten() ** power + 1e-12) for name, value in inputs.statistics.items()
    }

SCORES["cubic"] = Score(cubic, Cubes)
SCHEMES["by-side"] = Scheme(scope=lambda weight_class: weight_class.split()[0])
"""


def record_of(path):
    state = state_of(path)
    return state.get("prune") or state["last_optimizer_state"]["prune"]


def masks_of(path):
    record = record_of(path)
    return {n: unpack(m, record["shapes"][n]) for n, m in record["masks"].items()}


def gone(masks):
    return sum(int((~m).sum()) for m in masks.values())


def total(masks):
    return sum(m.numel() for m in masks.values())


def last(folder):
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def gradual(data, dense, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gradual")
    train(data, folder, *TASK, *GRADUAL, "--finetune-from-model", dense)
    return folder


@pytest.fixture(scope="module")
def adam(data, tmp_path_factory):
    """A model that adam trained."""
    folder = tmp_path_factory.mktemp("adam")
    train(data, folder, "--task", "translation", "--optimizer", "adam", "--lr", "0.01",
          "--max-update", "12")  # fmt: skip
    return last(folder)


@pytest.fixture(scope="module")
def tied(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tied")
    train(data, folder, "--task", "translation", "--optimizer", "adam", "--lr", "0.01",
          "--max-update", "6", base=TIED)  # fmt: skip
    return last(folder)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The --user-dir of a user with a score and a statistic."""
    folder = tmp_path_factory.mktemp("user") / "my_scores"
    folder.mkdir()
    (folder / "__init__.py").write_text(OWN)
    return folder


class TestInTraining:
    def test_each_pruning_of_a_schedule_is_exact_and_not_that_of_magnitudes(self, gradual):
        found = {}
        for path in gradual.glob("checkpoint_*_*.pt"):
            found[int(re.search(r"_(\d+)\.pt$", path.name).group(1))] = path
        for update, x in ((2, 0.8 * (1 - (2 / 3) ** 3)), (4, 0.8 * (1 - (1 / 3) ** 3)), (6, 0.8)):
            if update not in found or update + 1 not in found:  # at the end of an epoch
                continue
            before, after = (masks_of(found[u]) for u in (update, update + 1))
            assert gone(after) == round(x * total(after))
            assert all(not (after[n] & ~before[n]).any() for n in before)
            weights = {n: state_of(found[update])["model"][n] for n in after}
            classes = fairseq_classes(weights)
            by_magnitude = prune(weights, classes, "class-blind", x, before or None).masks
            assert sum(int((after[n] ^ m).sum()) for n, m in by_magnitude.items()) > 20
        assert record_of(last(gradual))["score"] == "fisher"
        assert gone(masks_of(last(gradual))) == round(0.8 * total(masks_of(last(gradual))))

    def test_killed_in_the_middle_of_calibrations_and_between(self, data, dense, gradual, tmp_path):
        """A calibration looks at 4 batches."""
        arguments = [*TASK, *GRADUAL, "--finetune-from-model", dense]
        for event, count in (("calibration", 2), ("update", 3), ("calibration", 3), ("update", 2),
                             ("calibration", 4)):  # fmt: skip
            kill = ("kill", "at", event, count)
            train(data, tmp_path, *arguments, prepare=kill, ok=-9)
        train(data, tmp_path, *arguments)
        for name in ("checkpoint_last.pt", "checkpoint_best.pt"):
            one, other = (state_of(folder / name) for folder in (gradual, tmp_path))
            assert equal(one["model"], other["model"])
            assert equal(one["last_optimizer_state"], other["last_optimizer_state"])

    def test_killed_where_survivors_are_moved(self, data, dense, tmp_path):
        """Twice at each pruning: killed before the second look, and before the next pruning."""
        arguments = [
            *TASK, *GRADUAL, "--prune-score", "kron", "--prune-steps", "2",
            "--finetune-from-model", dense,
        ]  # fmt: skip
        train(data, tmp_path / "whole", *arguments)
        for event, count in (("calibration", 6), ("update", 4)):
            kill = ("kill", "at", event, count)
            train(data, tmp_path / "cut", *arguments, prepare=kill, ok=-9)
        train(data, tmp_path / "cut", *arguments)
        whole, cut = (state_of(last(tmp_path / x)) for x in ("whole", "cut"))
        assert equal(whole["model"], cut["model"])
        assert equal(whole["last_optimizer_state"], cut["last_optimizer_state"])

    @pytest.mark.parametrize(
        "changed, was",
        [
            ("--prune-score taylor", "--prune-score fisher"),
            ("--prune-samples 65", "--prune-samples 64"),
            ("--prune-row-floor 0.1", "no --prune-row-floor"),
        ],
    )
    def test_another_score_than_the_run_that_it_continues(
        self, data, gradual, tmp_path, changed, was
    ):
        shutil.copy(last(gradual), last(tmp_path))
        more = [*changed.split(), "--max-update", "9"]
        output = train(data, tmp_path, *TASK, *GRADUAL, *more, ok=1)
        assert f"{changed}: the checkpoint this run continues was made with {was}" in output
        assert "Traceback" not in output

    def test_a_run_begun_before_there_were_scores_goes_on(self, data, dense, tmp_path):
        arguments = [
            *TASK, *"--optimizer pruned_sgd --lr 0.5 --prune-schedule iterative --prune-rounds 2 "
            "--prune-every 3 --max-update 5 --save-interval-updates 2".split(),
            "--finetune-from-model", dense,
        ]  # fmt: skip
        train(data, tmp_path / "whole", *arguments)
        (middle,) = (tmp_path / "whole").glob("checkpoint_*_2.pt")
        state = state_of(middle)
        record = state["last_optimizer_state"]["prune"]
        del record["score"]
        for name in ("score", "floor", "row_floor", "samples", "subset", "seed", "steps"):
            del record["run"][name]
        (tmp_path / "old").mkdir()
        torch.save(state, str(last(tmp_path / "old")))
        train(data, tmp_path / "old", *arguments)
        whole, old = (state_of(last(tmp_path / x)) for x in ("whole", "old"))
        assert equal(whole["model"], old["model"])
        masks = (s["last_optimizer_state"]["prune"]["masks"] for s in (whole, old))
        assert equal(*masks)


#: Options, as of the verb, and which model they prune.
ONE_SHOT = {
    "fisher": ("--score fisher --samples 64", "dense"),
    "in steps": ("--score fisher:guard= --samples 64 --steps 2 --row-floor 0.1", "dense"),
    "obs": ("--score obs --samples 48 --seed 7 --steps 2", "dense"),
    "kron": ("--score kron --samples 48 --steps 2", "dense"),
    "kron, tied": ("--score kron:exponent=0.5 --samples 48", "tied"),
    "kron, text": ("--score kron --samples 30", "language_model"),
    "lamp": ("--score lamp --floor 0.15", "dense"),
    "another subset": ("--score taylor --samples 9999 --subset valid", "dense"),
    "tied": ("--score fisher --samples 64", "tied"),
    "text": ("--score fisher --samples 30", "language_model"),
}


@pytest.mark.parametrize("name", ONE_SHOT)
def test_a_verb_prunes_as_training_does(request, data, tmp_path, name):
    options, start = ONE_SHOT[name]
    source, of_text = request.getfixturevalue(start), start == "language_model"
    data = request.getfixturevalue("text") if of_text else data
    words = options.split()
    looks = ["--data", data] if "samples" in options else []
    for target in ("one.pt", "two.pt"):
        run(
            "fairseq-prune", "prune", source, tmp_path / target, "--sparsity", "0.8", *words, *looks
        )
    in_training = [word.replace("--", "--prune-") for word in words]
    base = {"language_model": LM, "tied": TIED, "dense": SMALL}[start]
    task = ["--task", "pruned_language_modeling"] if of_text else []
    train(data, tmp_path / "run", *TASK, *task, *STILL, *in_training, "--finetune-from-model",
          source, base=base)  # fmt: skip
    one, two = (state_of(tmp_path / f"{x}.pt") for x in ("one", "two"))
    assert equal(one["prune"], two["prune"]) and equal(one["model"], two["model"])
    masks, trained = masks_of(tmp_path / "one.pt"), state_of(last(tmp_path / "run"))
    assert equal(masks, masks_of(last(tmp_path / "run")))
    assert gone(masks) == round(0.8 * total(masks))
    moved = False
    for key, mask in masks.items():
        assert equal(one["model"][key], trained["model"][key])
        assert not one["model"][key][~mask].any()
        moved |= not torch.equal(one["model"][key], state_of(source)["model"][key] * mask)
        if "row-floor" in options:
            assert int(mask.sum(1).min()) >= np.ceil(0.1 * mask.shape[1])
    assert moved == name.startswith(("obs", "kron")), "what is left makes up for what is gone"
    if name == "lamp":
        by_class = {}
        for key, weight_class in fairseq_classes(masks).items():
            by_class.setdefault(weight_class, []).append(masks[key].flatten())
        assert min(float(torch.cat(m).float().mean()) for m in by_class.values()) >= 0.15


@pytest.mark.parametrize("score", ["obs", "kron"])
def test_what_makes_up_for_the_rest_packs_and_decodes(data, dense, tmp_path, score):
    run("fairseq-prune", "prune", dense, tmp_path / "p.pt", "--sparsity", "0.6", "--score", score,
        "--samples", "48", "--data", data)  # fmt: skip
    run("fairseq-prune", "pack", tmp_path / "p.pt", tmp_path / "p.packed")
    options = ("--user-dir", PLUGIN, *DECODE, "--beam", "2", "--max-len-b", "12")
    plain, packed = (
        lines(run("fairseq-generate", data, "--path", tmp_path / name, *options), "H")
        for name in ("p.pt", "p.packed")
    )
    assert plain == packed and len(plain) == 30


class TestAdam:
    def expected(self, path):
        """The weights to keep: |w| (F + 0.1 mean F)^(1/4), rows of words with the class's mean."""
        state = state_of(path)
        names = [name for name in state["model"] if "version" not in name]
        moments = state["last_optimizer_state"]["state"]
        squares = {name: moments[k]["exp_avg_sq"].double().numpy() for k, name in enumerate(names)}
        weights = {n: state["model"][n].double().numpy() for n in names if squares[n].ndim == 2}
        classes = fairseq_classes({n: state["model"][n] for n in weights})
        scores = {}
        for name, weight in weights.items():
            same = [squares[n].ravel() for n in weights if classes[n] == classes[name]]
            mean, found = np.concatenate(same).mean(), squares[name]
            if re.search("embedding|softmax", classes[name]):
                rows = found.mean(1, keepdims=True)
                found = np.where(rows > 0, found * mean / np.where(rows > 0, rows, 1), mean)
            scores[name] = np.abs(weight) * (found + 0.1 * mean) ** 0.25
        ranked = np.sort(np.concatenate([s.ravel() for s in scores.values()]))
        k = round(0.8 * len(ranked))
        return {name: torch.from_numpy(s > ranked[k - 1]) for name, s in scores.items()}

    def test_the_state_of_the_optimizer_in_a_file_and_in_training(self, data, adam, tmp_path):
        score = "adam:guard=embedding|softmax"
        run("fairseq-prune", "prune", adam, tmp_path / "p.pt", "--sparsity", "0.8", "--score",
            score, "--row-floor", "0")  # fmt: skip
        masks, expected = masks_of(tmp_path / "p.pt"), self.expected(adam)
        assert masks.keys() == expected.keys()
        # the last of float32 decides between a few
        assert sum(int((m ^ expected[n]).sum()) for n, m in masks.items()) <= 2
        train(
            data, tmp_path / "run", *TASK, "--optimizer", "pruned_adam", "--lr", "0.01",
            "--prune-score", score, "--prune-row-floor", "0", "--restore-file", adam,
            "--max-update", "13",
        )  # fmt: skip
        assert equal(masks_of(last(tmp_path / "run")), masks)

    def test_no_such_state(self, data, dense, tmp_path):
        said = run("fairseq-prune", "prune", dense, tmp_path / "p.pt", "--sparsity", "0.8",
                   "--score", "adam", ok=1)  # fmt: skip
        assert f"{dense} holds no exp_avg_sq" in said and "Traceback" not in said
        said = train(data, tmp_path / "run", *TASK, "--optimizer", "pruned_sgd", "--prune-score",
                     "adam", "--prune-begin", "1", "--finetune-from-model", dense, "--max-update",
                     "3", ok=1)  # fmt: skip
        assert "(exp_avg_sq), which --optimizer pruned_sgd has not; take pruned_adam" in said
        assert "num_updates" not in said and "Traceback" not in said
        for start in (
            ["--finetune-from-model", dense],
            ["--reset-optimizer", "--restore-file", dense],
        ):
            said = train(data, tmp_path / "run", *TASK, "--optimizer", "pruned_adam",
                         "--prune-score", "adam", *start, "--max-update", "3", ok=1)  # fmt: skip
            assert "what the optimizer remembers of its updates (exp_avg_sq), and this" in said
            assert "num_updates" not in said and "Traceback" not in said


class TestScoresOfOnesOwn:
    def test_a_scheme_in_training_and_files(self, data, dense, own, tmp_path):
        """Weights of the source compete, and those of the target: exact counts of each."""
        task = ["by-side" if word == "class-blind" else word for word in TASK]
        assert task != TASK
        run("fairseq-prune", "prune", dense, tmp_path / "p.pt", "--user-dir", own, "--sparsity",
            "0.8", "--scheme", "by-side")  # fmt: skip
        train(
            data, tmp_path / "run", "--user-dir", own, *task, *STILL,
            "--finetune-from-model", dense,
        )  # fmt: skip
        masks = masks_of(tmp_path / "p.pt")
        assert equal(masks, masks_of(last(tmp_path / "run")))
        sides = {"source": {}, "target": {}}
        for name, weight_class in fairseq_classes(masks, {}).items():
            sides.setdefault(weight_class.split()[0], {})[name] = masks[name]
        for side in sides.values():
            assert gone(side) == round(0.8 * total(side)) > 0
        blind = tmp_path / "blind.pt"
        run("fairseq-prune", "prune", dense, blind, "--sparsity", "0.8")
        assert not equal(masks, masks_of(blind))

    def test_in_training_and_files(self, data, dense, own, tmp_path):
        run("fairseq-prune", "prune", dense, tmp_path / "p.pt", "--user-dir", own, "--sparsity",
            "0.8", "--score", "cubic:power=0.5", "--samples", "64", "--data", data)  # fmt: skip
        train(
            data, tmp_path / "run", "--user-dir", own, *TASK, *STILL, "--prune-score",
            "cubic:power=0.5", "--prune-samples", "64", "--finetune-from-model", dense,
        )  # fmt: skip
        masks = masks_of(tmp_path / "p.pt")
        assert equal(masks, masks_of(last(tmp_path / "run")))
        assert gone(masks) == round(0.8 * total(masks))
        # the file says by what it was pruned, and is read without the plugin
        said = run("fairseq-prune", "inspect", tmp_path / "p.pt")
        assert "class-blind by cubic:power=0.5 to 0.8" in said

    def test_the_example_sees_lstms_at_work_in_training_and_files(self, data, dense, tmp_path):
        example = ("--user-dir", REPO / "examples" / "own_scores")
        run("fairseq-prune", "prune", dense, tmp_path / "p.pt", *example, "--sparsity", "0.8",
            "--score", "layerwise", "--samples", "48", "--data", data)  # fmt: skip
        train(
            data, tmp_path / "run", *example, *TASK, *STILL, "--prune-score", "layerwise",
            "--prune-samples", "48", "--finetune-from-model", dense,
        )  # fmt: skip
        one, two = state_of(tmp_path / "p.pt")["model"], state_of(last(tmp_path / "run"))["model"]
        assert equal(one, two) and not equal(one, state_of(dense)["model"])
        masks = masks_of(tmp_path / "p.pt")
        assert gone(masks) == round(0.8 * total(masks))

    @pytest.mark.parametrize("rewind", ["weights", "learning-rate"])
    def test_in_rounds(self, data, dense, own, tmp_path, rewind):
        asked = "--sparsity 0.8 --rounds 2 --score cubic --samples 48 --seed 0".split()
        more = ["--rewind-to", dense, "--data", data] if rewind == "weights" else []
        command = [
            *FORKED, "fairseq-train", data, "--user-dir", own, *SMALL, "--task",
            "pruned_translation", "--optimizer", "pruned_sgd", "--lr", "0.5", "--max-update", "2",
        ]  # fmt: skip
        said = run(
            "fairseq-prune", "iterate", "--from", dense, "--out", tmp_path / "out", *asked,
            "--rewind", rewind, *more, "--", *command, env={"FORK_SERVER": server()},
        )  # fmt: skip
        for r, x in ((1, 1 - 0.2**0.5), (2, 0.8)):
            path = last(tmp_path / "out" / f"round{r}")
            assert record_of(path)["score"] == "cubic"
            assert gone(masks_of(path)) == round(x * total(masks_of(path)))
        if rewind == "learning-rate":
            assert "--prune-score cubic" in said and "--prune-seed 0" in said
        said = run(
            "fairseq-prune", "iterate", "--from", dense, "--out", tmp_path / "out", "--sparsity",
            "0.8", "--rounds", "2", "--rewind", rewind, *more[:2], "--", *command, ok=1,
        )  # fmt: skip
        assert "no --score: " in said and "holds rounds with --score cubic" in said

    def test_in_grids(self, data, dense, own, tmp_path):
        plan = config(
            data, seeds=[1], dense=str(dense), calibration={"samples": 48}, evaluate={},
            points=[
                {
                    "kinds": ["pruned", "retrained"], "schemes": ["class-blind"],
                    "sparsities": [0.7], "scores": ["cubic"], "samples": [None, 16],
                },
                {
                    "kinds": ["pruned"], "schemes": ["class-blind"], "sparsities": [0.7],
                    "scores": ["magnitude", "fisher"], "steps": [1, 2], "row_floors": [0.1],
                },
            ],
        )  # fmt: skip
        plan["train"]["all"] = plan["train"]["all"].replace(PLUGIN, str(own))
        plan["train"]["retrained"] = f"{PRUNED} --max-update 2"
        grid(tmp_path, plan)
        with open(tmp_path / "out" / "results.jsonl", encoding="utf-8") as f:
            found = [json.loads(line) for line in f]
        pruned = [r for r in found if r["kind"] == "pruned"]
        assert {(r["score"], r.get("steps", 1)) for r in pruned} >= {
            ("cubic", 1), ("magnitude", 1), ("fisher", 1), ("fisher", 2),
        }  # fmt: skip
        for r in pruned:
            assert r["weights"] - r["kept"] == round(0.7 * r["weights"])
        by_samples = {r.get("samples"): r["perplexity"] for r in pruned if r["score"] == "cubic"}
        assert len(set(by_samples.values())) == 2
        for retrained in (r for r in found if r["kind"] == "retrained"):
            # as training prunes is as the grid does
            assert retrained["pruned_perplexity"] == by_samples.pop(retrained.get("samples"))
            assert record_of(retrained["checkpoint"])["score"] == "cubic"
        assert not by_samples


#: Options, what is said of them.
REFUSED = [
    ("--prune-score fischer", "--prune-score fischer is unknown; choose from magnitude, "),
    ("--score fischer", "--score fischer is unknown; choose from magnitude, "),
    ("--prune-samples 9", "--prune-samples has no meaning with score magnitude, which needs no"),
    ("--prune-steps 2 --prune-score adam", "--prune-steps has no meaning with score adam"),
    ("--score random --seed 3", "leave it out, or give --score random:seed=1, its own"),
    ("--prune-score random --prune-seed 3", "or give --prune-score random:seed=1, its own"),
    ("--samples 9", "--samples has no meaning with score magnitude, which needs no data"),
    ("--score fisher", "--score fisher looks at data; give --data, a folder of binarised data"),
    ("--prune-scheme 2:4 --prune-sparsity 0.5 --prune-floor 0.1", "no meaning with --prune-scheme"),
    ("--scheme 2:4 --sparsity 0.5 --row-floor 0.1", "have no meaning with --scheme 2:4"),
    (
        "--prune-scheme 2:4 --prune-sparsity 0.5 --prune-score fisher --prune-steps 2",
        "--prune-steps 2 prunes to other sparsities on the way, and --prune-scheme 2:4 has one",
    ),
    (
        "--scheme 2:4 --sparsity 0.5 --score fisher --steps 2",
        "--steps 2 prunes to other sparsities on the way, and --scheme 2:4 has one",
    ),
    (
        "--prune-floor 0.3 --prune-schedule gradual --prune-end 4 --prune-every 2",
        "lower --prune-floor and --prune-row-floor, or --prune-sparsity to 0.",
    ),
    ("--row-floor 0.3", "lower --floor and --row-floor, or --sparsity to 0."),
    ("--prune-floor 1", "--prune-floor 1 is outside [0, 1)"),
    ("--prune-score fisher --prune-subset tuning", "subset tuning is not there to calibrate with"),
    ("--prune-score kron --prune-subset tuning --prune-begin 2", "subset tuning is not there to"),
    ("--prune-score fisher --prune-samples 0", "--prune-samples 0 is out of range"),
]


@pytest.mark.parametrize("options, said", REFUSED, ids=[options for options, _ in REFUSED])
def test_what_cannot_be_is_refused_before_training(data, dense, tmp_path, options, said):
    words = options.split()
    if words[0].startswith("--prune-"):
        start = ["--optimizer", "pruned_sgd", "--lr", "0.5", "--finetune-from-model", dense]
        output = train(data, tmp_path / "run", *TASK, *start, *words, ok=1)
        assert "num_updates" not in output and not list(tmp_path.rglob("*.pt"))
    else:
        sparsity = [] if "--sparsity" in words else ["--sparsity", "0.8"]
        output = run("fairseq-prune", "prune", dense, tmp_path / "p.pt", *sparsity, *words, ok=1)
        assert not list(tmp_path.iterdir())
    assert said in output and "Traceback" not in output
