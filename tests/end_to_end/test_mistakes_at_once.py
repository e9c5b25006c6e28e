"""What can be seen on the command line is said there: one sentence, before anything is loaded."""

import pytest
from commands import PLUGIN, RETRAIN, run, train

LOADED = ("dictionary: ", "loading model(s)")


def refused(command, data, *args):
    output = run(command, data, "--user-dir", PLUGIN, "--cpu", *args, ok=False)
    assert "Traceback" not in output, output[-3000:]
    assert not any(word in output for word in LOADED)
    sentences = [line for line in output.splitlines() if "fairseq_prune: error: " in line]
    assert len(sentences) == 1, output[-3000:]
    return sentences[0]


USES = ("fairseq-generate", "fairseq-interactive", "fairseq-validate", "fairseq-eval-lm")


@pytest.mark.parametrize("command", USES)
def test_path(data, command):
    task = ("--task", "translation")
    assert "--path is missing" in refused(command, data, *task)
    said = refused(command, data, *task, "--path", "nowhere.pt")
    assert "--path nowhere.pt: there is no such file" in said


def test_task(data, dense):
    assert "--task is missing" in refused("fairseq-validate", data, "--path", dense)


def test_one_of_several_paths(data, dense):
    said = refused("fairseq-generate", data, "--path", f"{dense}:nowhere.pt")
    assert "--path nowhere.pt: there is no such file" in said


@pytest.mark.parametrize("command", USES[:2])
def test_options_of_pruned_tasks(data, dense, command):
    for option in (("--prune-runtime", "sparse"), ("--prune-runtime=int8",)):
        said = refused(command, data, "--path", dense, *option)
        assert "--prune-runtime is an option of pruned_ tasks; give --task pruned_translation" in (
            said
        )


def test_options_of_pruned_tasks_in_training(data, tmp_path):
    options = [word if word != "pruned_translation" else "translation" for word in RETRAIN]
    output = train(data, tmp_path / "run", *options, ok=False)
    assert "fairseq_prune: error: --prune-scheme is an option of pruned_ tasks" in output
    assert "--task pruned_translation in place of --task translation" in output
    assert not (tmp_path / "run").exists()


def test_pruning_asked_of_a_command_that_does_not_train(data, dense):
    said = refused(
        "fairseq-generate", data, "--path", dense, "--task", "pruned_translation",
        "--prune-scheme", "class-blind", "--prune-sparsity", "0.8",
    )  # fmt: skip
    assert "--prune-scheme is for training" in said and "fairseq-prune prune" in said


def test_no_model_to_finetune(data, tmp_path):
    for task in ("translation", "pruned_translation"):
        output = train(data, tmp_path / "run", "--task", task, "--optimizer", "pruned_sgd",
                       "--finetune-from-model", "nowhere.pt", ok=False)  # fmt: skip
        assert "error: --finetune-from-model nowhere.pt: there is no such file" in output
        assert "Traceback" not in output and not (tmp_path / "run").exists()


def test_optimizer_that_would_revive_weights(data, dense, tmp_path):
    output = train(data, tmp_path / "run", *RETRAIN, "--optimizer", "sgd",
                   "--finetune-from-model", dense, ok=False)  # fmt: skip
    assert "--optimizer sgd, which would revive" in output and "Traceback" not in output
    assert "num. shared model params" not in output, "no model is built for that"


def test_other_words_are_refused_as_ever(data, dense):
    output = run("fairseq-generate", data, "--user-dir", PLUGIN, "--path", dense, "--what", "1",
                 ok=2)  # fmt: skip
    assert "unrecognized arguments: --what 1" in output
