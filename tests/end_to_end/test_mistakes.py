"""A user's mistake: one sentence that names the flag or file, no traceback, nothing written."""

import os
import pickle
import shutil

import pytest
import torch
from commands import RETRAIN, refused, train

from fairseq_prune.checkpoints.reading import read_checkpoint
from fairseq_prune.cli.main import main


def with_option(flag, value):
    options = list(RETRAIN)
    options[options.index(flag) + 1] = value
    return options


@pytest.mark.parametrize("sparsity", ["1.0", "-0.1"])
def test_sparsity_out_of_range(data, dense, tmp_path, sparsity):
    options = with_option("--prune-sparsity", sparsity)
    options = [a for a in options if a not in ("--prune-sparsity", sparsity)]
    said = refused(
        data, tmp_path / "run", *options, f"--prune-sparsity={sparsity}",
        "--finetune-from-model", dense,
    )  # fmt: skip
    assert "--prune-sparsity" in said and "[0, 1)" in said


@pytest.mark.parametrize(
    "options",
    [("--prune-sparsity", "0.8"), ("--prune-exclude", "softmax"), ("--prune-schedule", "gradual")],
)
def test_options_without_a_scheme(data, dense, tmp_path, options):
    """They would train a dense model, and the user would take it for a pruned one."""
    at = RETRAIN.index("--prune-scheme")
    said = refused(data, tmp_path / "run", *RETRAIN[:at], *options, "--finetune-from-model", dense)
    assert f"{options[0]} prunes nothing without --prune-scheme" in said


def test_unknown_scheme(data, dense, tmp_path):
    options = with_option("--prune-scheme", "class-deaf")
    said = refused(data, tmp_path / "run", *options, "--finetune-from-model", dense)
    assert "--prune-scheme class-deaf" in said and "class-blind" in said


def test_optimizer_that_would_revive_weights(data, dense, tmp_path):
    options = with_option("--optimizer", "sgd")
    said = refused(data, tmp_path / "run", *options, "--finetune-from-model", dense)
    assert "--optimizer sgd" in said and "pruned_sgd" in said


def test_nothing_trained_to_start_from(data, tmp_path):
    said = refused(data, tmp_path / "run", *RETRAIN)
    assert "--finetune-from-model" in said


def test_nothing_prunable(data, dense, tmp_path):
    said = refused(
        data, tmp_path / "run", *RETRAIN, "--prune-exclude", ".", "--finetune-from-model", dense
    )
    assert "nothing to prune" in said


def test_truncated_checkpoint(data, dense, tmp_path):
    cut = tmp_path / "cut.pt"
    cut.write_bytes(dense.read_bytes()[:-5000])
    said = refused(data, tmp_path / "run", *RETRAIN, "--finetune-from-model", cut)
    assert str(cut) in said


def test_checkpoint_of_another_shape(data, dense, tmp_path):
    said = refused(
        data, tmp_path / "run", *RETRAIN, "--hidden-size", "24", "--finetune-from-model", dense
    )
    assert str(dense) in said and "encoder.embed_tokens.weight" in said and "x 32" in said


def test_continuing_with_another_sparsity(data, retrained, tmp_path):
    shutil.copytree(str(retrained[0]), str(tmp_path / "run"))
    before = {f: (tmp_path / "run" / f).read_bytes() for f in os.listdir(str(tmp_path / "run"))}
    options = with_option("--prune-sparsity", "0.9")
    output = train(data, tmp_path / "run", *options, "--max-update", "14", ok=False)
    assert "--prune-sparsity 0.9" in output and "0.8" in output and "Traceback" not in output
    assert before == {
        f: (tmp_path / "run" / f).read_bytes() for f in os.listdir(str(tmp_path / "run"))
    }


def test_continuing_in_the_folder_of_a_dense_run(data, dense, tmp_path):
    """Its dense checkpoint_best.pt would stand there as if it were pruned."""
    shutil.copytree(str(dense.parent), str(tmp_path / "run"))
    start = ("--finetune-from-model", dense, "--max-update", "22")
    output = train(data, tmp_path / "run", *RETRAIN, *start, ok=False)
    assert "--save-dir" in output and "--finetune-from-model" in output
    assert "Traceback" not in output


def test_average_in_fp32_would_revive_weights(data, dense, tmp_path):
    said = refused(
        data, tmp_path / "run", *RETRAIN, "--finetune-from-model", dense, "--store-ema",
        "--ema-fp32",
    )  # fmt: skip
    assert "--ema-fp32" in said


class Trap:
    """Unpickling one of these makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def exits(*argv):
    """What ``fairseq-prune`` says when it refuses; its exit status is not zero."""
    with pytest.raises(SystemExit) as exit_:
        main([str(a) for a in argv])
    assert exit_.value.code not in (0, None)
    return str(exit_.value.code)


class TestFairseqPrune:
    """The mistakes of ``fairseq-prune prune``, in this process."""

    @pytest.mark.parametrize("sparsity", ["1", "-0.5", "nan", "inf"])
    def test_sparsity(self, dense, tmp_path, sparsity):
        said = exits("prune", dense, tmp_path / "out.pt", f"--sparsity={sparsity}")
        assert "--sparsity" in said and not (tmp_path / "out.pt").exists()

    def test_scheme(self, dense, tmp_path):
        said = exits("prune", dense, tmp_path / "o.pt", "--sparsity", "0.5", "--scheme", "x")
        assert "--scheme x" in said and "class-uniform" in said

    def test_missing(self, tmp_path):
        assert "nowhere.pt" in exits("inspect", tmp_path / "nowhere.pt")

    def test_foreign_files(self, dense, tmp_path):
        whole = dense.read_bytes()
        contents = {
            "empty": b"", "text": b"no checkpoint\n" * 99, "cut": whole[: len(whole) // 2],
            "short": whole[:20], "pickle": pickle.dumps({"model": 1}),
        }  # fmt: skip
        for name, content in contents.items():
            path = tmp_path / name
            path.write_bytes(content)
            assert str(path) in exits("prune", path, tmp_path / "out.pt", "--sparsity", "0.5")
        torch.save({"weights": torch.ones(3)}, str(tmp_path / "other.pt"))
        assert "holds no model" in exits("inspect", tmp_path / "other.pt")
        for k, model in enumerate(({}, {"hidden": 3}, {1: torch.ones(2, 2)})):
            torch.save({"model": model}, str(tmp_path / f"odd{k}.pt"))
            assert "no state dict" in exits("inspect", tmp_path / f"odd{k}.pt")
        assert not (tmp_path / "out.pt").exists()

    @pytest.mark.parametrize("new_format", [True, False])
    def test_code_in_a_checkpoint_is_not_run(self, tmp_path, new_format):
        state = {"model": {"w": torch.ones(2, 2)}, "x": Trap(str(tmp_path / "sprung"))}
        torch.save(state, str(tmp_path / "evil.pt"), _use_new_zipfile_serialization=new_format)
        assert "evil.pt" in exits("inspect", tmp_path / "evil.pt")
        assert not (tmp_path / "sprung").exists()

    def test_target_that_cannot_be_written(self, dense, tmp_path):
        for target in (tmp_path / "no" / "folder.pt", tmp_path):
            assert str(target) in exits("prune", dense, target, "--sparsity", "0.5")

    @pytest.mark.parametrize(
        "words, said",
        [
            ("prune IN OUT --sparsty 0.8", "--sparsty is no option of prune; did you mean --spar"),
            ("prune IN OUT --spars 0.8", "--spars is no option of prune; did you mean --sparsity?"),
            ("average IN -out OUT", "-out is no option of average; did you mean --out?"),
            ("grid FILE --jop=2", "--jop is no option of grid; did you mean --jobs?"),
            ("pack IN OUT --quick", "--quick is no option of pack\n"),
            ("prune --sparsity 0.8", "the following arguments are required: IN, OUT"),
            ("prune IN OUT --sparsity", "--sparsity: expected one argument"),
            (
                "iterate --from IN --out OUT --rounds 2 --sparsity 0.5 fairseq-train DATA --lr 1",
                "--lr is no option of iterate; the training command and its options go after --\n",
            ),
        ],
    )
    def test_options_that_are_none(self, words, said, capsys):
        """Whatever is missing besides, the one that is wrong is named."""
        assert exits(*words.split()) == "2"
        assert said in capsys.readouterr().err

    def test_a_command_of_options_alone(self, dense, tmp_path):
        said = exits(
            "iterate", "--from", dense, "--out", tmp_path / "o", "--sparsity", "0.5",
            "--rounds", "1", "--", "--arch", "lstm",
        )  # fmt: skip
        assert "give the training command of a round after --" in said

    def test_diverged_model(self, dense, tmp_path):
        state = read_checkpoint(str(dense))
        state["model"]["decoder.fc_out.weight"] = torch.full_like(
            state["model"]["decoder.fc_out.weight"], float("nan")
        )
        torch.save(state, str(tmp_path / "nan.pt"))
        said = exits("prune", tmp_path / "nan.pt", tmp_path / "out.pt", "--sparsity", "0.5")
        assert "decoder.fc_out.weight" in said
