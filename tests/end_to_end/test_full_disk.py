"""No room on the disk: a sentence with the reason and the path, and good files stay."""

import os
import shutil

import pytest
from commands import RETRAIN, state_of, train
from full_disk import limited
from language_models import LOW_RANK

from fairseq_prune.cli.main import main

#: Of what a file can have; a training says more, which goes into a file, too.
VERB, TRAINING = 9000, 50_000


def contents(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(str(folder))}


@pytest.mark.parametrize(
    "words",
    [
        "prune DENSE OUT --sparsity 0.5",
        "pack DENSE OUT",
        "unpack PACKED OUT",
        "average DENSE DENSE --out OUT",
        f"factorize LM OUT {' '.join(LOW_RANK)}",
    ],
)
def test_of_verbs(dense, language_model, tmp_path, capsys, words):
    files = {"DENSE": str(dense), "LM": str(language_model), "OUT": str(tmp_path / "out")}
    if "PACKED" in words:
        files["PACKED"] = str(tmp_path / "model.packed")
        main(["pack", files["DENSE"], files["PACKED"]])
    (tmp_path / "out").write_bytes(b"precious")
    before = contents(tmp_path)
    with limited(VERB), pytest.raises(SystemExit) as ended:
        main([files.get(word, word) for word in words.split()])
    said = str(ended.value.code)
    assert "\n" not in said and files["OUT"] in said and said.endswith(": File too large")
    assert contents(tmp_path) == before


def test_of_a_report(dense, tmp_path):
    pytest.importorskip("matplotlib")
    with limited(VERB), pytest.raises(SystemExit) as ended:
        main(["report", str(dense), "--out", str(tmp_path)])
    said = str(ended.value.code)
    assert f"cannot write {tmp_path}/" in said and said.endswith(": File too large")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("when", ["limit", "after_one_checkpoint"])
def test_of_a_training(data, retrained, tmp_path, when):
    """As its first checkpoint is written, and as that is copied over the others."""
    run = tmp_path / "run"
    shutil.copytree(str(retrained[0]), str(run))
    before = contents(run)
    full = ("full_disk", when, TRAINING)
    said = train(data, run, *RETRAIN, "--max-update", "14", ok=1, prepare=full)
    sentence = said.splitlines()[-1]
    assert f"fairseq_prune: error: cannot write {run}/checkpoint" in sentence
    assert sentence.endswith(": File too large") and "Traceback" not in said
    after = contents(run)
    assert after.keys() == before.keys()
    changed = [name for name in after if after[name] != before[name]]
    assert len(changed) == (0 if when == "limit" else 1)
    assert all(state_of(run / name)["model"] for name in after)
