"""Mistakes with packed files: one sentence, no traceback, nothing written."""

import shutil

import pytest
import torch
from commands import DECODE, PLUGIN, RETRAIN, run, state_of, train

import fairseq_prune
from fairseq_prune.pruning import PruneError


@pytest.fixture(scope="module")
def packed(retrained, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "model.packed"
    run("fairseq-prune", "pack", retrained[0] / "checkpoint_best.pt", path)
    return path


def damage(path, target, kind):
    """A copy with one bit flipped, or cut short."""
    raw = bytearray(path.read_bytes())
    if kind == "flipped":
        raw[-100] ^= 1
    target.write_bytes(raw[: len(raw) // 2] if kind == "cut" else raw)
    return target


def sentence(output):
    """The one line of a command that refuses."""
    assert "Traceback" not in output, output[-3000:]
    said = [line for line in output.splitlines() if "error: " in line]
    assert len(said) == 1 and said[0] == output.splitlines()[-1], output[-3000:]
    return said[0]


def refused(*args):
    return sentence(run("fairseq-prune", *args, ok=1))


def generate(data, path, command="fairseq-generate"):
    options = DECODE if command == "fairseq-generate" else ("--cpu",)
    return sentence(run(command, data, "--user-dir", PLUGIN, "--path", path, *options, ok=1))


def test_pack(retrained, packed, data, tmp_path):
    source, out = retrained[0] / "checkpoint_best.pt", tmp_path / "out.packed"
    assert "--values int4: choose one of exact, fp16, int8" in refused(
        "pack", source, out, "--values", "int4"
    )
    assert "nowhere.pt does not exist" in refused("pack", tmp_path / "nowhere.pt", out)
    assert f"there is no folder {tmp_path}/x" in refused(
        "pack", source, out, "--data", tmp_path / "x"
    )
    assert f"{tmp_path} has no data" in refused("pack", source, out, "--data", tmp_path)
    assert "is a folder; name the file" in refused("pack", source, tmp_path)
    assert "x does not exist" in refused("pack", source, tmp_path / "x" / "out.packed")
    bpe = ("--bpe", "sentencepiece", "--bpe-codes")
    for words, said in (
        (("--bpe", "gpt2"), "--bpe gpt2: choose one of sentencepiece, subword_nmt, none"),
        (("--tokenizer", "nltk"), "--tokenizer nltk: choose one of moses, none"),
        (("--bpe-codes", "x"), "--bpe-codes x: say what it is by --bpe sentencepiece or"),
        (("--bpe", "subword_nmt"), f"{data} has no bpecodes, code; give --bpe-codes FILE"),
        ((*bpe, tmp_path / "x"), f"cannot read {tmp_path}/x: No such file"),
        ((*bpe, __file__), f"{__file__} holds no sentencepiece model"),
        (("--bpe", "subword_nmt", "--bpe-codes", __file__), f"{__file__} holds no BPE codes"),
        (("--no-texts", "--tokenizer", "moses"), "--no-texts leaves out what"),
    ):
        assert said in refused("pack", source, out, "--data", data, *words)
    assert not list(tmp_path.iterdir())
    foreign = tmp_path / "foreign.pt"
    foreign.write_bytes(b"no checkpoint\n" * 99)
    assert str(foreign) in refused("pack", foreign, out) and not out.exists()


def test_a_weight_that_no_fp16_number_is(retrained, tmp_path):
    state = state_of(retrained[0] / "checkpoint_best.pt")
    name = "decoder.fc_out.weight"
    weight = state["model"][name].clone()
    weight[weight != 0] = 1e6
    state["model"][name] = weight
    torch.save(state, str(tmp_path / "model.pt"))
    out = tmp_path / "out.packed"
    said = refused("pack", tmp_path / "model.pt", out, "--values", "fp16")
    assert name in said and "too large for fp16" in said
    assert [f.name for f in tmp_path.iterdir()] == ["model.pt"]


def test_unpack(retrained, packed, tmp_path):
    out = tmp_path / "out.pt"
    source = retrained[0] / "checkpoint_best.pt"
    assert f"{source} cannot be read as a packed model" in refused("unpack", source, out)
    assert "nowhere.packed" in refused("unpack", tmp_path / "nowhere.packed", out)
    assert "x does not exist" in refused("unpack", packed, tmp_path / "x" / "out.pt")
    assert "is a folder; name the file" in refused("unpack", packed, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "kind, why", [("flipped", "its checksum is wrong: it is damaged"), ("cut", "it is truncated")]
)
def test_a_damaged_file(kind, why, data, packed, tmp_path):
    path, out = damage(packed, tmp_path / "model.packed", kind), tmp_path / "out.pt"
    for said in (
        refused("unpack", path, out), refused("inspect", path), refused("pack", path, out),
        refused("prune", path, out, "--sparsity", "0.9"), generate(data, path),
        generate(data, path, "fairseq-interactive"),
    ):  # fmt: skip
        assert f"{path} cannot be read as a packed model: {why}" in said
    said = sentence(
        train(data, tmp_path / "run", *RETRAIN, "--finetune-from-model", path, ok=1,
              env={"COLUMNS": "200"})
    )  # fmt: skip
    assert f"{path} cannot be read as a packed model: {why}" in said
    with pytest.raises(PruneError, match=why):
        fairseq_prune.load_packed(str(path), data=str(data))
    assert not out.exists()
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("side, language", [("source", "en"), ("target", "de")])
def test_other_dictionaries(side, language, data, packed, tmp_path):
    """The same words, two of them in each other's place."""
    other = tmp_path / "data"
    shutil.copytree(str(data), str(other))
    path = other / f"dict.{language}.txt"
    first, second, *rest = path.read_text().splitlines(True)
    path.write_text("".join([second, first, *rest]))
    why = f"{packed} was packed with another {side} dictionary"
    for command in ("fairseq-generate", "fairseq-interactive"):
        assert why in generate(other, packed, command)
    with pytest.raises(PruneError, match=why):
        fairseq_prune.load_packed(str(packed), data=str(other))
    said = refused("pack", packed, tmp_path / "out.packed", "--data", other)
    assert why in said and not (tmp_path / "out.packed").exists()


def test_load_packed(data, retrained, packed, tmp_path):
    def why(*args, **kwargs):
        with pytest.raises(PruneError) as error:
            fairseq_prune.load_packed(*map(str, args), **kwargs)
        return str(error.value)

    assert f"there is no folder {tmp_path}/x" in why(packed, tmp_path / "x")
    assert f"{tmp_path} has no data" in why(packed, tmp_path)
    assert "cannot be read as a packed model" in why(retrained[0] / "checkpoint_best.pt", data)
    assert "nowhere.packed" in why(tmp_path / "nowhere.packed", data)
    assert "choose one of dense" in why(packed, data, runtime="fast")
