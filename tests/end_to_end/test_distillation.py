"""--criterion distillation through the real commands."""

import json
import re
import shutil

import pytest
from commands import PLUGIN, REPO, RETRAIN, equal, run, state_of, train
from language_models import LM, SHORT

SMOOTHED = "--criterion label_smoothed_cross_entropy --label-smoothing 0.1".split()
TAUGHT = "--criterion distillation --label-smoothing 0.1".split()
LENGTH = ("--max-update", "8", "--save-interval-updates", "3", "--keep-interval-updates", "1")
DENSE = "--task translation --optimizer sgd --lr 0.5".split()
LOGGED_LM = [*LM, "--log-interval", "1"]
TRANSFORMER = """
    --task translation --arch transformer --encoder-embed-dim 16 --encoder-ffn-embed-dim 16
    --encoder-layers 1 --encoder-attention-heads 2 --decoder-embed-dim 16 --decoder-ffn-embed-dim 16
    --decoder-layers 1 --decoder-attention-heads 2 --optimizer sgd --lr 0.1 --max-tokens 400 --cpu
    --num-workers 0 --no-epoch-checkpoints
""".split()


def logged(output, key):
    """The values of ``key`` after each update."""
    values = map(json.loads, re.findall(r"\btrain_inner\b.*?(\{.*\})$", output, re.MULTILINE))
    return [float(value[key]) for value in values if key in value]


def same(a, b):
    one, other = (state_of(folder / "checkpoint_last.pt") for folder in (a, b))
    for key in ("model", "last_optimizer_state"):
        assert equal(one[key], other[key])


@pytest.fixture(scope="module")
def taught(data, dense, tmp_path_factory):
    """The dense model pruned to 80%, retrained with itself as the teacher; and what was logged."""
    folder = tmp_path_factory.mktemp("taught")
    output = train(data, folder, *RETRAIN, *TAUGHT, *LENGTH, "--finetune-from-model", dense)
    return folder, output


@pytest.fixture(scope="module")
def transformer(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transformer")
    train(data, folder, "--max-update", "2", base=TRANSFORMER)
    return folder / "checkpoint_last.pt"


def test_with_weight_0_it_is_label_smoothed_cross_entropy(data, dense, tmp_path):
    arguments = [*RETRAIN, *LENGTH, "--finetune-from-model", dense]
    train(data, tmp_path / "smoothed", *arguments, *SMOOTHED)
    output = train(data, tmp_path / "taught", *arguments, *TAUGHT, "--teacher-weight", "0")
    same(tmp_path / "smoothed", tmp_path / "taught")
    assert not logged(output, "teacher_kl")


def test_what_is_logged_and_saved(data, dense, taught):
    folder, output = taught
    assert len(logged(output, "teacher_kl")) == len(logged(output, "ppl")) == 8
    assert all(value > 0 for value in logged(output, "teacher_kl"))
    assert '"valid_loss"' in output and "valid_teacher_kl" not in output
    state, start = state_of(folder / "checkpoint_last.pt"), state_of(dense)
    shapes = [{name: w.shape for name, w in s["model"].items()} for s in (state, start)]
    assert shapes[0] == shapes[1] and state["criterion"] is None
    optimized = state["last_optimizer_state"]["state"].values()
    assert len(optimized) == len(shapes[0]), "momentum of the student's weights alone"
    # fairseq knows the criterion; it is that one in evaluation
    assert state["cfg"]["criterion"]["_name"] == "label_smoothed_cross_entropy"
    assert state["cfg"]["distillation"]["teacher_weight"] == 0.8


def test_validation_needs_no_teacher(data, dense, taught, tmp_path):
    """And its loss is that of label_smoothed_cross_entropy."""
    output = taught[1]
    best = re.findall(r'"valid_loss": "([\d.]+)"', output)[-1]
    shutil.copy(str(taught[0] / "checkpoint_last.pt"), str(tmp_path / "alone.pt"))
    said = run(
        "fairseq-validate", data, "--user-dir", PLUGIN, "--task", "translation", "--path",
        tmp_path / "alone.pt", "--max-tokens", "400", "--cpu", "--num-workers", "0",
    )  # fmt: skip
    found = re.findall(r"loss ([\d.]+) \| nll_loss", said)
    assert float(found[-1]) == pytest.approx(float(best), abs=2e-3)


def test_killed_and_started_again_it_ends_as_one_that_was_not(data, dense, taught, tmp_path):
    arguments = [*RETRAIN, *TAUGHT, *LENGTH, "--finetune-from-model", dense]
    before = dense.read_bytes()
    for event in (("update", "5"), ("write", "1")):
        train(data, tmp_path, *arguments, prepare=("kill", "at", *event), ok=-9)
    output = train(data, tmp_path, *arguments)
    same(taught[0], tmp_path)
    assert dense.read_bytes() == before
    assert "with another teacher" not in output


def test_a_packed_teacher_is_the_one_that_was_packed(data, dense, taught, transformer, tmp_path):
    run("fairseq-prune", "pack", dense, tmp_path / "t.packed", "--data", data)
    arguments = [*RETRAIN, *TAUGHT, *LENGTH, "--finetune-from-model", dense, "--teacher"]
    train(data, tmp_path / "run", *arguments, tmp_path / "t.packed")
    same(taught[0], tmp_path / "run")
    # a run that goes on with it, or with another, by the weights
    more = ("--max-update", "9", "--no-save")
    output = train(data, tmp_path / "run", *arguments, dense, *more)
    assert "another teacher" not in output
    output = train(data, tmp_path / "run", *arguments, transformer, *more)
    assert f"was trained with another teacher than {transformer} is now" in output
    assert len(logged(output, "teacher_kl")) == 1


def test_nothing_is_to_be_learned_from_oneself(data, dense, tmp_path):
    output = train(data, tmp_path, *DENSE, *TAUGHT, "--finetune-from-model", dense,
                   "--dropout", "0", "--lr", "20", "--max-update", "2", "--no-save")  # fmt: skip
    first, second = logged(output, "teacher_kl")
    assert first == 0 < second


def test_a_teacher_of_another_architecture(data, transformer, tmp_path):
    """For a student that begins anew, at another temperature."""
    output = train(data, tmp_path, *DENSE, *TAUGHT, "--teacher", transformer,
                   "--teacher-temperature", "2", "--max-update", "2")  # fmt: skip
    assert len(logged(output, "teacher_kl")) == 2


def test_language_models(text, language_model, tmp_path):
    train(text, tmp_path / "short", "--max-update", "2", base=SHORT)
    teacher = tmp_path / "short" / "checkpoint_last.pt"
    pruning = "--prune-scheme class-blind --prune-sparsity 0.5 --max-update 2".split()
    arguments = [*TAUGHT, *pruning, "--finetune-from-model", language_model]
    output = train(text, tmp_path / "own", *arguments, base=LOGGED_LM)
    assert len(logged(output, "teacher_kl")) == 2
    output = train(text, tmp_path / "other", *arguments, "--teacher", teacher, base=LOGGED_LM)
    assert len(logged(output, "teacher_kl")) == 2
    said = refused(text, tmp_path / "long", *arguments, "--teacher", teacher,
                   "--tokens-per-sample", "13", base=LOGGED_LM)  # fmt: skip
    assert "reads at most 12 source tokens at a time" in said


def refused(data, folder, *args, **kwargs):
    output = train(data, folder, *args, ok=1, **kwargs)
    assert "Traceback" not in output, output[-3000:]
    (said,) = [line for line in output.splitlines() if "fairseq_prune: error: " in line]
    assert not folder.exists() or not list(folder.iterdir())
    assert "train_inner" not in output
    return said


def test_mistakes_on_the_command_line(data, tmp_path):
    said = refused(data, tmp_path / "run", *DENSE, *TAUGHT)
    assert "this run is finetuned from no model; give --teacher CHECKPOINT" in said
    said = refused(data, tmp_path / "run", *DENSE, *TAUGHT, "--teacher", "nowhere.pt")
    assert "--teacher nowhere.pt: there is no such file" in said
    said = refused(data, tmp_path / "run", *DENSE, *SMOOTHED, "--teacher", "nowhere.pt")
    assert "--teacher is an option of --criterion distillation" in said


def test_files_that_are_no_teacher(data, text, dense, language_model, tmp_path):
    (tmp_path / "cut.pt").write_bytes(dense.read_bytes()[:-5000])
    for path, reason in (
        (tmp_path / "cut.pt", "truncated"),
        (language_model, "has no data for"),
    ):
        said = refused(data, tmp_path / "run", *DENSE, *TAUGHT, "--teacher", path)
        assert f"--teacher {path}: " in said and reason in said


@pytest.mark.parametrize("more", [False, True])
def test_other_dictionaries(data, dense, tmp_path, more):
    """Seen by the teacher's own data, and by the sizes of its matrices."""
    other = tmp_path / "other"
    shutil.copytree(str(data), str(other))
    path = other / "dict.de.txt"
    lines = path.read_text().splitlines(True)
    path.write_text("".join([*lines, "more 1\n"] if more else [lines[1], lines[0], *lines[2:]]))
    said = refused(other, tmp_path / "run", *DENSE, *TAUGHT, "--teacher", dense)
    kind = "dictionaries of other sizes than" if more else "another target dictionary than"
    assert f"--teacher {dense}" in said and f"{kind} {other} has" in said


def test_in_yaml(data, dense, tmp_path):
    common = (
        "--config-dir", REPO / "configs", "--config-name", "multi30k_retrain",
        f"common.user_dir={PLUGIN}", f"task.data={data}", f"checkpoint.finetune_from_model={dense}",
        f"hydra.run.dir={tmp_path / 'hydra'}", "model.hidden_size=32", "model.init_range=0.5",
        "dataset.max_tokens=400", "optimization.max_update=2", "common.log_format=json",
        "common.log_interval=1", "criterion._name=distillation",
    )  # fmt: skip
    output = run("fairseq-hydra-train", *common, f"checkpoint.save_dir={tmp_path / 'run'}",
                 "+criterion.teacher_weight=0.5", f"+criterion.teacher={dense}")  # fmt: skip
    assert len(logged(output, "teacher_kl")) == 2
    said = run("fairseq-hydra-train", *common, f"checkpoint.save_dir={tmp_path / 'other'}",
               "+criterion.teacher=nowhere.pt", ok=1)  # fmt: skip
    assert "fairseq_prune: error: --teacher nowhere.pt: there is no such file" in said
