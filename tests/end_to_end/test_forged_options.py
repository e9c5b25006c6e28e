"""Files whose configuration would run code, read other files or use the network."""

import json
import socket
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from commands import DECODE, PLUGIN, run, state_of, train

import fairseq_prune
from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.pruning import PruneError

#: What would leave a file behind, where the command runs.
PAYLOAD = "__import__('pathlib').Path('ran').write_text('it ran')"


@pytest.fixture
def forge(retrained, tmp_path):
    """A function that writes the retrained model with another configuration, also packed."""

    def write(change):
        state = state_of(retrained[0] / "checkpoint_best.pt")
        change(state["cfg"])
        torch.save(state, str(tmp_path / "forged.pt"))
        pack_checkpoint(str(tmp_path / "forged.pt"), str(tmp_path / "forged.packed"))
        return tmp_path / "forged.pt", tmp_path / "forged.packed"

    return write


def sentence(output):
    assert "Traceback" not in output, output[-3000:]
    return [line for line in output.splitlines() if "error: " in line][-1]


def generate(data, path, *args, **kwargs):
    options = ("--user-dir", PLUGIN, "--path", path, *DECODE, "--beam", "2", "--max-len-b", "12")
    return run("fairseq-generate", data, *options, *args, **kwargs)


def test_code_in_an_option(data, forge, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def change(cfg):
        cfg["model"] = Namespace(_name="fconv", arch="fconv", encoder_layers=PAYLOAD)

    path, packed = forge(change)
    report = ("fairseq-prune", "report", packed, data, "--out", tmp_path / "report")
    for where, output in (
        (path, generate(data, path, ok=1)), (packed, generate(data, packed, ok=1)),
        (packed, run(*report, ok=1)), (path, run("fairseq-prune", "compare", path, data, ok=1)),
    ):  # fmt: skip
        said = sentence(output)
        assert f"{where}: its option model.encoder_layers: " in said
        assert "is no number, list" in said
    # these build no model of it
    run("fairseq-prune", "inspect", packed)
    run("fairseq-prune", "pack", path, tmp_path / "again.packed")
    run("fairseq-prune", "prune", packed, tmp_path / "more.pt", "--sparsity", "0.9")
    with pytest.raises(PruneError, match="its option model.encoder_layers: "):
        fairseq_prune.load_packed(str(packed), data=str(data))
    # trained on as the command line says
    train(
        data, tmp_path / "run", "--task", "translation", "--optimizer", "sgd", "--lr", "0.5",
        "--max-update", "1", "--finetune-from-model", packed,
    )  # fmt: skip
    assert not (tmp_path / "ran").exists()


def test_code_with_a_path_in_it(data, forge, tmp_path):
    def change(cfg):
        code = f"open({str(tmp_path / 'ran')!r}, 'w')"
        cfg["model"] = Namespace(_name="fconv", arch="fconv", encoder_layers=code)

    path = forge(change)[1]
    said = sentence(generate(data, path, ok=1))
    assert f"{path} cannot be loaded without what its options encoder_layers name" in said
    assert not (tmp_path / "ran").exists()


def test_code_on_a_command_line(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    base = "--cpu --max-tokens 400 --optimizer sgd --lr 0.1 --max-update 1 --arch fconv".split()
    dimensions = "--encoder-embed-dim 16 --decoder-embed-dim 16 --decoder-out-embed-dim 16".split()
    options = (data, tmp_path, "--task", "translation", *dimensions, "--encoder-layers")
    said = sentence(train(*options, PAYLOAD, base=base, ok=1))
    assert "is no number, list, tuple" in said and not (tmp_path / "ran").exists()
    train(*options, "[(16, 3)] * 2", "--decoder-layers", "[(16, 3)]", base=base)


def test_other_files_and_the_network(data, retrained, forge, tmp_path):
    """Every option that holds text or nothing, and some of other models, name a file or a host."""
    secret = tmp_path / "secret.txt"
    secret.write_text("1 1\n")
    names = [str(secret), "http://host.invalid/file"]

    def change(cfg):
        known = {"data", "_name", "arch", "dataset_impl"}
        for section in ("model", "task"):
            for option, value in cfg[section].items():
                if option not in known and (value is None or type(value) is str):
                    cfg[section][option] = names[len(option) % 2]
        cfg["model"].update(encoder_embed_path=names[0], decoder_embed_path=names[0])
        cfg["bpe"] = {"_name": "gpt2", "gpt2_encoder_json": names[1], "gpt2_vocab_bpe": names[0]}
        cfg["tokenizer"] = {"_name": "unknown", "file": names[0]}
        cfg["generation"]["replace_unk"] = names[0]

    log = tmp_path / "log"
    packed = forge(change)[1]
    whole = retrained[0] / "checkpoint_best.pt"
    watched = {"prepare": ["outside", "note", str(log)]}
    expected = generate(data, whole, "--quiet").splitlines()[-1]
    assert generate(data, packed, "--quiet", **watched).splitlines()[-1] == expected
    output = run(
        "fairseq-prune", "compare", packed, data, "--runtimes", "dense", "--json", **watched
    )
    assert json.loads(output[output.index("[\n") :])[0]["sentences"] == 30
    run("fairseq-prune", "pack", packed, tmp_path / "again.packed", "--data", data, **watched)
    noted = log.read_text().splitlines()
    assert f"open {packed}" in noted and f"open {data}/dict.en.txt" in noted
    assert not [line for line in noted if not line.startswith("open") or str(secret) in line]


def test_encoders_of_packed_files(data, forge, monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise AssertionError("the network is used")

    def change(cfg):
        cfg["bpe"] = {"_name": "gpt2", "gpt2_encoder_json": "https://x/e", "gpt2_vocab_bpe": "b"}
        cfg["tokenizer"] = {"_name": "space"}

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    packed = str(forge(change)[1])
    model = fairseq_prune.load_packed(packed, data=str(data))
    assert model.bpe is None and type(model.tokenizer).__name__ == "SpaceTokenizer"
    assert f"{packed}: its bpe, gpt2, is left out" in caplog.text
    caplog.clear()
    model = fairseq_prune.load_packed(packed, data=str(data), bpe="characters")
    assert type(model.bpe).__name__ == "Characters" and "is left out" not in caplog.text
    names = {"bpe": "subword_nmt", "bpe_codes": str(Path(packed).parent / "nowhere")}
    with pytest.raises((OSError, ImportError)):  # what the caller names is looked for
        fairseq_prune.load_packed(packed, data=str(data), **names)


def test_lookups_in_the_environment(data, forge):
    def change(cfg):
        cfg["task"]["source_lang"] = "${oc.env:HOME}"

    for path in forge(change):
        said = sentence(generate(data, path, ok=1))
        assert f"{path} sets its option task.source_lang to '${{oc.env:HOME}}'" in said
    with pytest.raises(PruneError, match="sets its option task.source_lang"):
        fairseq_prune.load_packed(str(path), data=str(data))
