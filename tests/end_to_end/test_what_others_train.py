"""Checkpoints as people have them: trained with BLEU, of old versions, made small, odd."""

import json
import pickletools
import shutil
import zipfile
from argparse import Namespace

import numpy as np
import pytest
import torch
from commands import DECODE, PLUGIN, RETRAIN, equal, lines, run, state_of, train
from forged import content_of, forge, taken_apart, with_content

from fairseq_prune.analysis.matrices import read_words
from fairseq_prune.cli.main import main

#: A criterion that logs numbers of numpy, as those do that count with sklearn.
CRITERION = """
import numpy as np
import fairseq_prune
from fairseq.criterions import register_criterion
from fairseq.criterions.cross_entropy import CrossEntropyCriterion, CrossEntropyCriterionConfig
from fairseq.logging import metrics

@register_criterion("counted", dataclass=CrossEntropyCriterionConfig)
class Counted(CrossEntropyCriterion):
    @classmethod
    def reduce_metrics(cls, logging_outputs):
        super().reduce_metrics(logging_outputs)
        metrics.log_scalar("accuracy", np.float32(50), np.int64(len(logging_outputs)))
"""

BLEU = (
    "--eval-bleu", "--eval-bleu-args", '{"beam": 1, "max_len_b": 9}', "--eval-bleu-detok", "space",
    "--best-checkpoint-metric", "bleu", "--maximize-best-checkpoint-metric",
    "--keep-best-checkpoints", "1", "--store-ema", "--ema-decay", "0.9",
)  # fmt: skip


@pytest.fixture(scope="module")
def with_bleu(data, tmp_path_factory):
    """The folder of a training that scores with BLEU, and its options."""
    folder = tmp_path_factory.mktemp("bleu")
    plugin = folder / "plugin"
    plugin.mkdir()
    (plugin / "__init__.py").write_text(CRITERION)
    options = (
        "--user-dir", plugin, "--task", "translation", "--criterion", "counted", *BLEU,
        "--optimizer", "adam", "--lr", "0.01",
    )  # fmt: skip
    train(data, folder / "run", *options, "--max-update", "12")
    return folder / "run", options


def names_in(path):
    """All that the pickle of a checkpoint names."""
    with zipfile.ZipFile(str(path)) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("data.pkl"))
        steps = pickletools.genops(archive.read(name))
        return {argument for step, argument, _ in steps if step.name == "GLOBAL"}


def translations(data, path, *more):
    options = ("--user-dir", PLUGIN, "--path", path, *DECODE, "--beam", "1", "--max-len-b", "9")
    return lines(run("fairseq-generate", data, *options, *more), "H")


class TestTrainedWithBleu:
    def test_it_holds_what_weights_only_loading_refuses(self, with_bleu):
        """Else the tests below would show nothing."""
        for name in ("checkpoint_best.pt", "checkpoint_last.pt"):
            assert {"numpy ndarray", "numpy dtype"} <= names_in(with_bleu[0] / name)
        kept = list(with_bleu[0].glob("checkpoint.best_bleu_*.pt"))
        assert len(kept) == 1 and "numpy ndarray" in names_in(kept[0])

    def test_the_verbs(self, with_bleu, tmp_path, capsys):
        best, last = (str(with_bleu[0] / f"checkpoint_{name}.pt") for name in ("best", "last"))
        out = {name: str(tmp_path / name) for name in ("pruned", "packed", "unpacked", "mean")}
        main(["inspect", best, "--json"])
        found = json.loads(capsys.readouterr().out)
        numbers = sum(t.numel() for t in state_of(best)["model"].values())
        assert found["parameters"] == numbers
        main(["prune", best, out["pruned"], "--sparsity", "0.5"])
        main(["pack", out["pruned"], out["packed"]])
        main(["unpack", out["packed"], out["unpacked"]])
        main(["average", best, last, "--out", out["mean"]])
        for path in (out["pruned"], out["unpacked"]):
            meters = (state_of(file)["extra_state"]["metrics"] for file in (path, best))
            assert equal(*meters)
        assert equal(state_of(out["pruned"])["model"], state_of(out["unpacked"])["model"])
        weight = "decoder.fc_out.weight"
        both = [state_of(path)["model"][weight].double() for path in (best, last)]
        assert torch.allclose(state_of(out["mean"])["model"][weight].double(), sum(both) / 2)

    def test_translating(self, with_bleu, data, tmp_path):
        best, packed = with_bleu[0] / "checkpoint_best.pt", tmp_path / "packed"
        main(["pack", str(best), str(packed)])
        assert len(translations(data, best)) == 30
        assert translations(data, best) == translations(data, packed)

    def test_retraining(self, with_bleu, data, tmp_path):
        start = ("--finetune-from-model", with_bleu[0] / "checkpoint_best.pt")
        train(data, tmp_path, *RETRAIN, *BLEU, *start, "--max-update", "2")
        weight = state_of(tmp_path / "checkpoint_last.pt")["model"]["decoder.fc_out.weight"]
        assert int((weight == 0).sum()) > weight.numel() // 2

    def test_going_on(self, with_bleu, data, tmp_path):
        folder, options = with_bleu
        shutil.copytree(str(folder), str(tmp_path / "run"))
        said = train(data, tmp_path / "run", *options, "--max-update", "13")
        assert "Loaded checkpoint" in said and "@ 12 updates" in said
        state = state_of(tmp_path / "run" / "checkpoint_last.pt")
        assert state["optimizer_history"][-1]["num_updates"] == 13


def with_args(state):
    """As versions before 2020 wrote it: all options in one Namespace."""
    cfg = state["cfg"]
    parts = [cfg[name] for name in ("common", "checkpoint", "dataset", "model", "task")]
    args = {name: value for part in parts for name, value in part.items()}
    args.update(arch=cfg["model"]["_name"], task=cfg["task"]["_name"], criterion="cross_entropy")
    del args["_name"]
    return {**{k: v for k, v in state.items() if k != "cfg"}, "args": Namespace(**args)}


def with_namespace(state):
    """As tasks write it whose options have no dataclass."""
    task = dict(state["cfg"]["task"])
    options = Namespace(task=task["_name"], **task)
    return {**state, "cfg": {**state["cfg"], "task": options}}


def slim(state):
    return {key: state[key] for key in ("model", "cfg", "args") if state.get(key) is not None}


FORMS = {
    "args": lambda state: slim(with_args(state)),
    "namespace": with_namespace,
    "cfg": lambda state: {
        **slim(state), "extra_state": None, "optimizer_history": [], "task_state": None
    },
}  # fmt: skip


@pytest.fixture(params=list(FORMS))
def other(request, dense, tmp_path):
    """The dense model in another form."""
    torch.save(FORMS[request.param](state_of(dense)), str(tmp_path / "other.pt"))
    return tmp_path / "other.pt"


@pytest.fixture(scope="module")
def expected(dense, data):
    return translations(data, dense)


def test_other_forms_of_a_checkpoint(other, dense, data, expected, tmp_path, capsys):
    source, out = str(other), lambda name: str(tmp_path / name)
    main(["inspect", source, "--json"])
    found = json.loads(capsys.readouterr().out)
    main(["inspect", str(dense), "--json"])
    whole = json.loads(capsys.readouterr().out)
    assert {**found, "checkpoint": 0, "bytes": 0} == {**whole, "checkpoint": 0, "bytes": 0}
    main(["prune", source, out("pruned.pt"), "--sparsity", "0.5"])
    main(["average", source, source, "--out", out("mean.pt")])
    main(["pack", source, out("packed")])
    said = capsys.readouterr().out
    assert "the dictionaries are not noted" not in said
    main(["unpack", out("packed"), out("unpacked.pt")])
    model = state_of(dense)["model"]
    for name in ("mean.pt", "unpacked.pt"):
        assert equal(dict(state_of(out(name))["model"]), dict(model)), name
    capsys.readouterr()
    short = "--beam 1 --batch-size 8 --max-len-b 9"
    main(
        ["compare", source, str(data), "--runtimes", "dense,sparse", "--generate", short, "--json"]
    )
    rows = json.loads(capsys.readouterr().out)
    assert [row["sentences"] for row in rows] == [30, 30] and rows[1]["different"] == 0
    assert translations(data, source) == expected


def test_starting_from_a_slimmed_checkpoint(dense, retrained, data, tmp_path):
    """The same run as from the whole one."""
    torch.save(slim(with_args(state_of(dense))), str(tmp_path / "slim.pt"))
    start = ("--finetune-from-model", tmp_path / "slim.pt", "--max-update", "12")
    train(data, tmp_path / "run", *RETRAIN, *start)
    ends = (folder / "checkpoint_last.pt" for folder in (tmp_path / "run", retrained[0]))
    assert equal(*(state_of(end)["model"] for end in ends))


def test_the_words_of_an_older_checkpoint(dense):
    state = state_of(dense)
    found = [read_words(None, s, "target", [4, 5]) for s in (state, with_args(state))]
    assert found[0] == found[1] and found[0][0].startswith("v")


def refusals(path, data, tmp_path, verbs=()):
    """What each verb says of a file; nothing is written."""
    source, out = str(path), str(tmp_path / "out")
    all_verbs = {
        "inspect": [source],
        "prune": [source, out, "--sparsity", "0.9"],
        "pack": [source, out],
        "unpack": [source, out],
        "average": [source, "--out", out],
        "compare": [source, str(data)],
        "report": [source, "--out", out],
        "factorize": [source, out, "--factorization", "low-rank", "--lstm-rank", "2"],
        "iterate": [
            "--from", source, "--out", out, "--sparsity", "0.95", "--rounds", "1", "--",
            "fairseq-train",
        ],
    }  # fmt: skip
    for verb in verbs or [verb for verb in all_verbs if verb != "unpack"]:
        with pytest.raises(SystemExit) as exit_:
            main([verb, *all_verbs[verb]])
        said = exit_.value.code
        assert isinstance(said, str) and str(path) in said and "\n" not in said, verb
        assert not (tmp_path / "out").exists(), verb
        yield said


FORGED = {
    "sparsity": ("0.8", [0.8], float("nan"), 1.0, -0.1, None, True, 10**400),
    "threshold": ("0.1", [], {"": "0.1"}, {"": float("inf")}, {"": None}, {3: 0.1}, {"": -1.0}),
    "scheme": (None, 3, ["class-blind"]),
    "version": ("1", None, True, 2),
    "masks": (None, [1], {"decoder.fc_out.weight": 1}, {"nowhere": torch.ones(1).byte()}),
    "shapes": (None, {}, {"decoder.fc_out.weight": "32"}),
}


@pytest.fixture(scope="module")
def pruned(dense, tmp_path_factory):
    path = tmp_path_factory.mktemp("pruned") / "pruned.pt"
    main(["prune", str(dense), str(path), "--sparsity", "0.8"])
    return path


@pytest.mark.parametrize("part", list(FORGED))
def test_a_forged_record(pruned, data, tmp_path, part):
    for k, value in enumerate(FORGED[part]):
        state = state_of(pruned)
        state["prune"][part] = value
        torch.save(state, str(tmp_path / "forged.pt"))
        # every verb reads it in the same way
        verbs = () if k == 0 else ("inspect",)
        for said in refusals(tmp_path / "forged.pt", data, tmp_path, verbs):
            assert "recorded" in said or "the mask" in said, (value, said)


def test_a_record_that_is_none(pruned, data, tmp_path):
    for record in ("yes", [1], 7):
        torch.save({**state_of(pruned), "prune": record}, str(tmp_path / "forged.pt"))
        assert all("damaged" in s for s in refusals(tmp_path / "forged.pt", data, tmp_path))


@pytest.mark.parametrize("part", ["sparsity", "threshold", "scheme"])
def test_a_forged_record_in_a_packed_file(pruned, data, tmp_path, part):
    main(["pack", str(pruned), str(tmp_path / "forged")])
    header, tensors = taken_apart(tmp_path / "forged")
    content = content_of(header)
    content["record"][part] = ["0.8"]
    forge(tmp_path / "forged", with_content(header, content), tensors)
    verbs = ("unpack", "inspect", "prune", "pack", "average")
    for said in refusals(tmp_path / "forged", data, tmp_path, verbs):
        assert "recorded mask is damaged" in said


def odd_weights():
    matrix = torch.randn(4, 6)
    yield "sparse", matrix.to_sparse()
    yield "qint8", torch.quantize_per_tensor(matrix, 0.1, 0, torch.qint8)
    if hasattr(torch, "float8_e4m3fn"):
        yield "float8_e4m3fn", matrix.to(torch.float8_e4m3fn)


def test_weights_of_other_kinds(dense, data, tmp_path):
    for kind, weight in odd_weights():
        state = state_of(dense)
        state["model"]["decoder.fc_out.weight"] = weight
        torch.save(state, str(tmp_path / "odd.pt"))
        for said in refusals(tmp_path / "odd.pt", data, tmp_path):
            assert "decoder.fc_out.weight" in said and kind in said or "_rebuild_" in said


@pytest.mark.parametrize("part", ["cfg", "args", "extra_state", "last_optimizer_state"])
def test_parts_of_another_kind(dense, data, tmp_path, part):
    torch.save({**state_of(dense), part: "forged"}, str(tmp_path / "odd.pt"))
    assert all(part in said for said in refusals(tmp_path / "odd.pt", data, tmp_path))


def test_a_bare_state_dict(dense, data, tmp_path):
    state = state_of(dense)
    torch.save(dict(state["model"]), str(tmp_path / "bare.pt"))
    for said in refusals(tmp_path / "bare.pt", data, tmp_path):
        assert "bare state dict" in said and "cfg" in said
    output = run(
        "fairseq-generate", data, "--user-dir", PLUGIN, "--path", tmp_path / "bare.pt", *DECODE,
        ok=1,
    )  # fmt: skip
    assert "bare state dict" in output and "Traceback" not in output
    # as it says
    made = {"model": torch.load(str(tmp_path / "bare.pt")), "cfg": state["cfg"]}
    torch.save(made, str(tmp_path / "made.pt"))
    main(["pack", str(tmp_path / "made.pt"), str(tmp_path / "packed")])


def test_a_model_without_its_configuration(dense, data, tmp_path, capsys):
    torch.save({"model": state_of(dense)["model"]}, str(tmp_path / "model.pt"))
    main(["inspect", str(tmp_path / "model.pt")])
    main(["prune", str(tmp_path / "model.pt"), str(tmp_path / "pruned.pt"), "--sparsity", "0.5"])
    main(["pack", str(tmp_path / "pruned.pt"), str(tmp_path / "packed")])
    assert "cfg" in capsys.readouterr().out
    (said,) = refusals(tmp_path / "model.pt", data, tmp_path, ["compare"])
    assert "cfg" in said


def test_fairseq_given_another_file(dense, data, tmp_path):
    (tmp_path / "text").write_text("no checkpoint\n" * 99)
    (tmp_path / "cut").write_bytes(dense.read_bytes()[:-5000])
    for name in ("text", "cut"):
        path = ("--path", tmp_path / name, *DECODE)
        output = run("fairseq-generate", data, "--user-dir", PLUGIN, *path, ok=1)
        assert f"{name} cannot be read as a checkpoint" in output
        assert "Traceback" not in output and "weights_only" not in output


class Thing:
    """Of a project that only its author has."""


@pytest.mark.skipif(torch.__version__ < "2.6", reason="torch < 2.6 unpickles what it is given")
def test_fairseq_says_what_it_refuses(dense, data, tmp_path):
    """And what is told to do works there too."""
    Thing.__module__ = __name__
    state = {**state_of(dense), "task_state": {"thing": np.array([Thing], dtype=object)}}
    torch.save(state, str(tmp_path / "odd.pt"))
    path = ("--path", tmp_path / "odd.pt", *DECODE)
    output = run("fairseq-generate", data, "--user-dir", PLUGIN, *path, ok=1)
    assert "weights_only" not in output and "Traceback" not in output
    assert "numpy.dtype('O8')" in output and "its model and its cfg" in output
    torch.save(slim(state), str(tmp_path / "odd.pt"))
    assert len(translations(data, tmp_path / "odd.pt")) == 30
