"""What ``fairseq-prune compress`` says before it trains: its plan, and mistakes."""

import json
import os
import re
import shlex
import shutil

import pytest
import torch
from commands import run, state_of
from compressing import GENERATE, compress, digest, translated

from fairseq_prune.checkpoints.writing import write_checkpoint
from fairseq_prune.experiments.compress.own_training import own_training
from fairseq_prune.experiments.settings import Settings
from fairseq_prune.experiments.training_options import parse_training


def test_hours(data, dense, tmp_path):
    """By the speed of a few updates, of which nothing is left."""
    said = translated(
        dense, data, tmp_path / "out", "--hours", "0.00001", "--recipe", "magnitude", ok=False
    )
    assert "--hours 1e-05 is less than a round of one epoch and its scores take here" in said
    said = translated(
        dense, data, tmp_path / "out", "--hours", "0.5", "--recipe", "magnitude", "--dry-run"
    )
    assert "measuring how long a few updates" in said
    assert re.search(r"\d+ epochs, which 0.5 hours are enough for; about \d+ min", said)


def test_a_dry_run_writes_nothing(data, dense, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in dense.parent.iterdir()}
    said = translated(
        dense, data, tmp_path / "out", "--sparsity", "0.85", "--dry-run",
        after=("--lr", "0.25", "--update-freq", "2"),
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    assert before == {path: path.stat().st_mtime_ns for path in dense.parent.iterdir()}
    assert (
        "round 3 of 3: 85%, 4 epochs" in said
        and "8 epochs, 2 times as many as the checkpoint was trained for" in said
    )
    commands = [line for line in said.splitlines() if " --save-dir " in line]
    assert len(commands) == 3
    # 4 epochs of 3 updates
    assert "--lr 0.25 --warmup-updates 1 --total-num-update 13" in commands[2]
    assert commands[2].endswith(
        f"--finetune-from-model {tmp_path}/out/rounds/round2/checkpoint_best.pt"
    )


@pytest.mark.parametrize(
    ("options", "after", "said"),
    [
        (
            "",
            "--prune-floor 0.2",
            "lower --prune-floor and --prune-row-floor, or --sparsity to 0.7",
        ),
        ("", "--prune-samples 0", "--prune-samples 0 is out of range"),
        ("", "--prune-subset tuning", "subset tuning is not there to calibrate with"),
        ("--score magnitude", "--prune-samples 9", "no meaning with score magnitude"),
    ],
)
def test_prunings_that_cannot_be_are_refused_before_any_training(
    data, dense, tmp_path, options, after, said
):
    found = translated(
        dense,
        data,
        tmp_path / "out",
        "--sparsity",
        "0.82",
        *options.split(),
        after=after.split(),
        ok=False,
    )
    assert said in found and "Traceback" not in found and not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [(), ("--cpu",)])
def test_trainings_on_the_gpus_of_another_machine(data, dense, tmp_path, options):
    said = translated(dense, data, tmp_path / "out", "--gpus", "1", "--dry-run", *options)
    assert "--prune-sparsity 0.9" in said and "--cpu" not in said


def test_trainings_are_given_whole_paths(data, dense, tmp_path):
    """A command that is spelled otherwise goes on with them."""
    near = [os.path.relpath(path) for path in (dense, data, tmp_path / "out")]
    far = (dense, data, tmp_path / "out")
    options = ("--epochs", "2", "--dry-run")
    said = translated(*near, *options)
    commands = [shlex.split(line) for line in said.splitlines() if " --save-dir " in line]
    said = translated(*far, *options, "--json")
    plan = json.loads(said[said.index("{") :])
    assert len(commands) == 2 and commands == plan["commands"] and plan["epochs"] == [1, 1]


def test_a_schedule_of_ones_own_has_the_learning_rate(data, dense, tmp_path):
    """The recipe's, of 90% 1.5 times the checkpoint's, with Adam 1.5 sqrt(10) times, unless it is
    given."""
    after = ("--lr-scheduler", "inverse_sqrt", "--warmup-updates", "5")
    adam = ("--optimizer", "adam")
    for more, lr in (((), "0.75"), (adam, "2.37171"), (("--lr", "0.1", *adam), "0.1")):
        said = translated(
            dense, data, tmp_path / "out", "--epochs", "1", "--dry-run", after=(*after, *more)
        )
        (command,) = [shlex.split(line) for line in said.splitlines() if " --save-dir " in line]
        _, args = parse_training(command[command.index("fairseq-train") + 1 :])
        assert args.lr == [float(lr)] and args.lr_scheduler == "inverse_sqrt"


def test_the_estimate_has_the_teacher_in_it(data, dense, tmp_path):
    state = state_of(dense)
    state["extra_state"]["previous_training_time"] = 3600 * 20 * 10.0
    updates = state["optimizer_history"][-1]["num_updates"]  # 10 hours each: 20
    torch.save(state, tmp_path / "slow.pt")
    found = []
    # an epoch takes as long with fewer, larger batches
    for recipe, after in (("rounds", ()), ("magnitude", ()), ("magnitude", ("--update-freq", "2"))):
        said = translated(
            tmp_path / "slow.pt", data, tmp_path / "out", "--epochs", "10", "--recipe", recipe,
            "--dry-run", after=after,
        )  # fmt: skip
        hours = re.search(r"10 epochs as asked for; about (\d+) h", said)
        found.append(int(hours[1]))
    assert updates == 20
    assert found[1] == pytest.approx(10 * 6 * 10 * 1.1, rel=0.01)  # 6 updates an epoch
    assert found[0] == pytest.approx(1.35 * found[1], rel=0.01)
    assert found[2] == found[1]
    assert "GPU" not in said  # it was --cpu
    state["cfg"]["common"]["cpu"] = False
    torch.save(state, tmp_path / "slow.pt")
    said = translated(tmp_path / "slow.pt", data, tmp_path / "out", "--dry-run", "--cpu")
    assert (
        "by the speed of the checkpoint's own training, many times that if it was on a GPU" in said
    )


@pytest.mark.parametrize(
    "options, after, said",
    [
        (("--sparsity", "0.5", "--max-loss", "1"), (), "two goals; give one"),
        (("--sparsity", "1.5"), (), "--sparsity 1.5 is out of range"),
        (("--max-loss", "-1"), (), "--max-loss -1 is out of range"),
        (("--epochs", "0"), (), "--epochs 0 is out of range"),
        (("--epochs", "2", "--hours", "1"), (), "two budgets; give one"),
        (("--gpus", "-1"), (), "--gpus -1 is out of range; give 0 or more"),
        (("--values", "int4"), (), "--values int4: choose one of fp32, fp16, int8"),
        (("--metric", "ter"), (), "--metric ter: choose one of bleu, chrf"),
        (("--metric", "chrf"), (), "--metric chrf is what --max-loss is of"),
        (("--recipe", "cake"), (), "--recipe cake is unknown; choose from rounds"),
        (("--score", "guess"), (), "--score guess is unknown; choose from"),
        (("--score", "adam"), (), "--score adam ranks by what an optimizer remembers"),
        (("--test", "tset"), (), "tset"),
        (("--generate", "--beem 5"), (), "--beem"),
        (("--generate", "--beem=5"), (), "--beem"),
        (("--max-bytes", "60kB"), ("--prune-exclude", "x"), "not with --prune-exclude; give --sp"),
        ((), ("--prune-scheme", "2:4"), "--prune-scheme is not for this: each round sets it"),
        ((), ("--prune-sampels", "3"), "unrecognized arguments: --prune-sampels 3"),
        ((), ("--max-epoch", "3"), "--max-epoch is not for this: give --epochs"),
        ((), ("--valid-subset", "test"), "--valid-subset is not for this: give --valid before --"),
        ((), ("--prune-score", "obs"), "--prune-score is not for this: give --score before --"),
        (("--recipe", "magnitude"), ("--teacher", "x.pt"), "--teacher, given after --, is an"),
        ((), ("--optimizer", "composite"), "--optimizer composite has no pruned_composite"),
        ((), ("--drpout", "0.1"), "unrecognized arguments: --drpout 0.1"),
    ],
)
def test_mistakes(data, dense, tmp_path, options, after, said):
    generate = () if "--generate" in options else ("--generate", GENERATE)
    output = compress(dense, data, tmp_path / "out", *generate, *options, after=after, ok=False)
    assert said in output and "Traceback" not in output
    assert not (tmp_path / "out").exists()


def test_it_says_why_there_is_no_teacher(data, dense, tmp_path):
    options = (dense, data, tmp_path / "out", "--epochs", "1", "--dry-run")
    said = translated(*options, after=("--criterion", "cross_entropy"))
    assert f"no round has {dense} as teacher: --criterion is given after --" in said
    assert "--teacher" not in said and "no round has" not in translated(*options)


def test_another_score_and_another_teacher(data, dense, retrained, tmp_path):
    other = retrained[0] / "checkpoint_best.pt"
    said = translated(
        dense, data, tmp_path / "out", "--epochs", "1", "--score", "fisher:damping=0", "--dry-run",
        after=("--teacher", other),
    )  # fmt: skip
    (command,) = [shlex.split(line) for line in said.splitlines() if " --save-dir " in line]
    _, args = parse_training(command[command.index("fairseq-train") + 1 :])
    assert args.prune_score == "fisher:damping=0"
    assert args.criterion == "distillation" and args.teacher == str(other)
    assert command.count("--teacher") == 1
    assert "recipe: prunes by the score fisher:damping=0, all" in said
    assert f"each retrained with {other} as teacher" in said


def test_compressed_again_as_if_from_the_dense_model(data, dense, retrained, tmp_path):
    """By what the first compressing has noted: rate, epochs and speed are the dense model's."""
    again = tmp_path / "again.pt"
    state = state_of(retrained[0] / "checkpoint_best.pt")
    state["compressed"] = own_training(Settings(str(dense)), state_of(dense), 6).noted()
    torch.save(state, again)
    options = ("--sparsity", "0.9", "--dry-run")
    after = ("--optimizer", "adam")
    one, other = (
        translated(path, data, tmp_path / "out", *options, after=after) for path in (dense, again)
    )
    rates = [re.findall(r" --lr (\S+)", said) for said in (one, other)]
    assert rates[0] == ["1.26773", "1.67705", "2.37171"] and rates[1] == rates[0][-1:]
    plans = [re.search(r"(8 epochs, 2 times .*)", said)[1] for said in (one, other)]
    assert plans[0] == plans[1]
    assert f"{again} was compressed from {dense}" in other and f"--teacher {dense}" in other


def test_a_plugin_that_cannot_prune(data, dense, tmp_path):
    folder = tmp_path / "plain_plugin"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    options = ("--user-dir", folder, "--epochs", "1", "--dry-run")
    said = translated(dense, data, tmp_path / "out", *options, ok=False)
    assert "plain_plugin does not import fairseq_prune" in said and "Traceback" not in said
    (folder / "__init__.py").write_text("import fairseq_prune")
    assert f"--user-dir {folder}" in translated(dense, data, tmp_path / "out", *options)


def test_what_cannot_be_translated_is_told_before_training(data, dense, tmp_path):
    """A sentence that is longer than the model may read."""
    generate = f"{GENERATE} --max-source-positions 6"
    options = ("--epochs", "1", "--generate", generate)
    said = compress(dense, data, tmp_path / "out", *options, ok=False, env={"KILL": "update 1"})
    assert "skip this example with --skip-invalid-size-inputs-valid-test" in said
    assert "Traceback" not in said and not (tmp_path / "out" / "rounds").exists()


def test_a_model_for_each_pair_of_languages(data, tmp_path):
    for side in ("en", "de"):  # one dictionary for both
        for kind in ("bin", "idx"):
            for subset in ("train", "valid"):
                name = f"{subset}.en-de.{side}.{kind}"
                shutil.copy(data / name, tmp_path / name)
        shutil.copy(data / "dict.en.txt", tmp_path / f"dict.{side}.txt")
    run(
        "fairseq-train", tmp_path, "--task", "multilingual_translation", "--lang-pairs", "en-de",
        "--arch", "multilingual_transformer_iwslt_de_en", "--encoder-embed-dim", "8",
        "--encoder-ffn-embed-dim", "8", "--decoder-embed-dim", "8", "--decoder-ffn-embed-dim", "8",
        "--max-tokens", "300", "--max-update", "1", "--disable-validation", "--optimizer", "adam",
        "--cpu", "--num-workers", "0", "--save-dir", tmp_path,
    )  # fmt: skip
    last = tmp_path / "checkpoint_last.pt"
    said = compress(last, tmp_path, tmp_path / "out", ok=False)
    assert "holds a model for each pair of languages" in said and "Traceback" not in said
    assert "--task pruned_multilingual_translation" in said and not (tmp_path / "out").exists()


def test_wrong_files(data, text, dense, retrained, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "none.pt").write_bytes(b"no checkpoint")
    other = tmp_path / "other"
    folder = data.parent
    run(
        "fairseq-preprocess", "--source-lang", "en", "--target-lang", "de", "--trainpref",
        folder / "valid", "--validpref", folder / "test", "--destdir", other,
        "--thresholdsrc", "12",
    )  # fmt: skip
    pruned = retrained[0] / "checkpoint_best.pt"
    for checkpoint, where, words in (
        (tmp_path / "missing.pt", data, "missing.pt does not exist"),
        (tmp_path / "none.pt", data, "none.pt cannot be read as a checkpoint"),
        (dense, tmp_path / "nowhere", "nowhere: there is no such folder"),
        (dense, tmp_path, "has no data for"),
        (dense, other, f"{dense} cannot be used with DATA {other}: size mismatch for encoder.emb"),
        (dense, other, "take data with the dictionaries that it was trained with"),
        (pruned, data, "is pruned to already (0.8)"),
    ):
        said = translated(checkpoint, where, out, "--sparsity", "0.7", ok=False)
        assert words in said and "Traceback" not in said, said
        assert not out.exists()


def test_the_folder_of_the_checkpoint_itself(data, dense):
    before = digest(dense)
    said = translated(dense, data, dense.parent, ok=False)
    assert "has a checkpoint_best.pt that is not of this command" in said
    assert digest(dense) == before


def test_options_before_and_after(dense, data, tmp_path):
    said = run("fairseq-prune", "compress", dense, data, "--out", tmp_path / "o", "--lr", "1",
               ok=False)  # fmt: skip
    assert "--lr is no option of compress; options of fairseq-train go after --" in said


def test_a_model_without_dropout_is_told_of(data, dense, tmp_path):
    state = state_of(dense)
    state["cfg"]["model"]["dropout"] = 0.0
    write_checkpoint(state, str(tmp_path / "without.pt"))
    without = tmp_path / "without.pt"
    for path, words, told in (
        (dense, (), False), (without, (), True), (without, ("--dropout", "0.1"), False)
    ):  # fmt: skip
        said = translated(path, data, tmp_path / "out", "--dry-run", after=words)
        assert ("trained without dropout; if it fits" in said) == told


def test_an_estimate_by_another_precision_says_so(data, dense, tmp_path):
    for words, told in (((), False), (("--bf16",), True)):
        said = translated(dense, data, tmp_path / "out", "--cpu", "--dry-run", after=words)
        assert "by the speed of the checkpoint's own training" in said
        assert ("which was in another precision" in said) == told
