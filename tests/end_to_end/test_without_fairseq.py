"""Verbs that need only files do the same without fairseq, which takes seconds to import."""

import re
import subprocess
import sys
from argparse import Namespace

import pytest
import torch
from commands import equal, run, state_of
from translating import ENV

from fairseq_prune.checkpoints.data_of import find_data
from fairseq_prune.checkpoints.reading import read_checkpoint
from fairseq_prune.loading.data_by_fairseq import data_by_fairseq

WITHOUT = """
import sys
for name in ("fairseq", "fairseq_cli", "omegaconf", "hydra", "wandb", "sacrebleu"):
    sys.modules[name] = None
from fairseq_prune.cli.main import main
main(sys.argv[1:])
"""


def run_without(*args):
    words = [sys.executable, "-c", WITHOUT, *map(str, args)]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENV)
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode()


def run_with(*args):
    return run("fairseq-prune", *args)


@pytest.mark.parametrize("options", [dict, Namespace])
def test_prune_pack_unpack_inspect(data, dense, options, tmp_path):
    """What they write and print is what they do where fairseq is there and imported.

    Args:
        options: what fairseq keeps a model's in: a Namespace for ``transformer``, ``lstm``, ...
    """
    state, said = read_checkpoint(str(dense)), {}
    state["cfg"]["model"] = options(**state["cfg"]["model"])
    dense = tmp_path / "dense.pt"
    torch.save(state, str(dense))
    for name, call in (
        ("with", lambda *args: run("fairseq-prune", *args)),
        ("without", run_without),
    ):
        folder = tmp_path / name
        folder.mkdir()
        pruned, packed, unpacked = (folder / x for x in ("pruned.pt", "m.packed", "unpacked.pt"))
        said[name] = [
            call("prune", dense, pruned, "--scheme", "class-uniform", "--sparsity", "0.7"),
            call("pack", pruned, packed), call("unpack", packed, unpacked),
            call("inspect", pruned), call("inspect", packed, "--json"),
        ]  # fmt: skip
        # how many bytes a pickle takes depends on which equal strings are one
        said[name] = [
            re.sub(r"[\d,]+ bytes, ", "", text.replace(str(folder), "")) for text in said[name]
        ]
    assert said["with"] == said["without"] and "dictionary" in said["with"][-1]
    one, other = (tmp_path / name for name in ("with", "without"))
    assert (one / "m.packed").read_bytes() == (other / "m.packed").read_bytes()
    for file in ("pruned.pt", "unpacked.pt"):
        assert equal(state_of(one / file), state_of(other / file))


def test_a_checkpoint_with_a_dictionary_of_fairseqs_brings_fairseq(dense, tmp_path):
    """Its class is in the file; only then is fairseq imported."""
    from fairseq.data import Dictionary

    state = read_checkpoint(str(dense))
    words = Dictionary()
    words.add_symbol("word")
    torch.save({**state, "task_state": {"dictionary": words}}, str(tmp_path / "with.pt"))
    script = """
import sys
from fairseq_prune.checkpoints.reading import read_checkpoint
read_checkpoint(sys.argv[1])
assert "fairseq" not in sys.modules
state = read_checkpoint(sys.argv[2])
print(state["task_state"]["dictionary"].index("word"), "fairseq" in sys.modules)
"""
    words = [sys.executable, "-c", script, str(dense), str(tmp_path / "with.pt")]
    assert subprocess.check_output(words, env=ENV).decode().split()[-2:] == ["4", "True"]


@pytest.mark.parametrize("where", ["as trained", "given"])
def test_data_are_found_as_fairseq_finds_them(data, dense, text, language_model, where):
    """Of a model that translates, whose languages the files show, and of a language model."""
    for checkpoint, folder in ((dense, data), (language_model, text)):
        given = None if where == "as trained" else str(folder)
        state = read_checkpoint(str(checkpoint))
        found = find_data(str(checkpoint), state, given, with_dictionaries=True)
        expected = data_by_fairseq(str(checkpoint), given, with_dictionaries=True)
        assert found.folder == expected.folder == str(folder)
        assert found.fingerprints == expected.fingerprints and found.fingerprints
        assert found.texts() == expected.texts()
        assert {k: v["_name"] for k, v in found.encoders.items()} == {
            k: v["_name"] for k, v in expected.encoders.items()
        }
