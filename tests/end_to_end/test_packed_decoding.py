"""Packed models in fairseq's own commands, with this plugin; unpacked ones without it."""

import json

import pytest
import sacrebleu
import torch
from commands import (
    DECODE,
    PLUGIN,
    RETRAIN,
    SMALL,
    equal,
    generate_without_plugin,
    lines,
    run,
    state_of,
    train,
)
from forged import taken_apart

import fairseq_prune
from fairseq_prune.packed.container import Container
from fairseq_prune.parameters.kinds import is_copy

OPTIONS = ("--beam", "3", "--max-len-b", "12", "--batch-size", "4")
TINY = {
    "lstm": "--encoder-embed-dim 16 --decoder-embed-dim 16 --decoder-out-embed-dim 16 "
    "--encoder-hidden-size 16 --decoder-hidden-size 16",
    "transformer": "--encoder-embed-dim 16 --decoder-embed-dim 16 --encoder-ffn-embed-dim 32 "
    "--decoder-ffn-embed-dim 32 --encoder-layers 2 --decoder-layers 2 --encoder-attention-heads 2 "
    "--decoder-attention-heads 2 --share-decoder-input-output-embed",
}


def generate(data, path, *args):
    output = run(
        "fairseq-generate", data, "--user-dir", PLUGIN, "--path", path, *DECODE, *OPTIONS, *args
    )  # fmt: skip
    return lines(output, "H")


@pytest.fixture(scope="module")
def checkpoint(retrained):
    return retrained[0] / "checkpoint_best.pt"


@pytest.fixture(scope="module")
def packed(checkpoint, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "model.packed"
    run("fairseq-prune", "pack", checkpoint, path)
    return path


@pytest.fixture(scope="module")
def expected(data, checkpoint):
    """The translations of the checkpoint."""
    found = generate(data, checkpoint)
    assert len(found) == 30 and len(set(found.values())) > 3, "it says different things"
    return found


@pytest.mark.parametrize("task", ["translation", "pruned_translation"])
def test_generate(task, data, packed, expected):
    assert generate(data, packed, "--task", task) == expected


def test_an_ensemble_of_both_is_that_of_one(data, checkpoint, packed, expected):
    assert generate(data, f"{checkpoint}:{packed}") == expected


def test_interactive(data, packed, expected):
    output = run(
        "fairseq-interactive", data, "--user-dir", PLUGIN, "--path", packed, *OPTIONS, "--cpu",
        "--buffer-size", "30", stdin=(data.parent / "test.en").read_text(),
    )  # fmt: skip
    assert lines(output, "H") == expected


def test_validate(data, checkpoint, packed):
    said = [
        run("fairseq-validate", data, "--user-dir", PLUGIN, "--path", path, "--cpu", "--task",
            "translation", "--max-tokens", "400", "--num-workers", "0", "--log-format", "json")
        for path in (checkpoint, packed)
    ]  # fmt: skip
    losses = [output.split('"valid_loss"')[1].split(",")[0] for output in said]
    assert losses[0] == losses[1]


def test_retraining_starts_from_it_as_from_the_checkpoint(data, checkpoint, packed, tmp_path):
    for name, path in (("whole", checkpoint), ("packed", packed)):
        options = [*RETRAIN, "--finetune-from-model", path, "--max-update", "2"]
        train(data, tmp_path / name, *options)
    whole, packed = (state_of(tmp_path / x / "checkpoint_last.pt") for x in ("whole", "packed"))
    assert equal(dict(whole["model"]), dict(packed["model"]))
    assert equal(whole["last_optimizer_state"], packed["last_optimizer_state"])


def test_load_packed_generates_the_same(data, packed, expected):
    model = fairseq_prune.load_packed(str(packed), data=str(data))
    sources = (data.parent / "test.en").read_text().splitlines()
    tokens = [model.encode(source) for source in sources]
    best = [beam[0]["tokens"] for beam in model.generate(tokens, beam=3, max_len_a=0, max_len_b=12)]
    assert [model.decode(t) for t in best] == [expected[k] for k in range(30)]


def test_load_packed_reads_the_file_once(data, packed, monkeypatch):
    """Its checksum goes over all of it."""
    opened, open_one = [], Container.__init__
    monkeypatch.setattr(
        Container, "__init__", lambda self, path: (opened.append(path), open_one(self, path))[1]
    )
    fairseq_prune.load_packed(str(packed), data=str(data))
    assert opened == [str(packed)]


def without_copies(model):
    return {name: tensor for name, tensor in model.items() if not is_copy(name)}


def check_copies(data, checkpoint, folder):
    """With the copies of weights that stock 0.12.2 saves, and with others, it is the same model."""
    state = state_of(checkpoint)
    model = state["model"]
    for layer in {name.split("self_attn")[0] for name in model if "encoder" in name} - {""}:
        for kind in ("weight", "bias"):
            if f"{layer}self_attn.q_proj.{kind}" in model:
                size = 3 * len(model[f"{layer}self_attn.q_proj.{kind}"])
                shape = (size, *model[f"{layer}self_attn.q_proj.{kind}"].shape[1:])
                model[f"{layer}in_proj_{kind}"] = torch.ones(shape)
                model[f"{layer}fc1_{kind}"] = torch.ones_like(model[f"{layer}fc1.{kind}"])
    assert any(map(is_copy, model))
    torch.save(state, str(folder / "copies.pt"))
    run("fairseq-prune", "pack", folder / "copies.pt", folder / "copies.packed")
    assert (folder / "copies.packed").read_bytes() == (folder / "model.packed").read_bytes()
    assert generate(data, folder / "copies.pt") == generate(data, checkpoint)


@pytest.mark.parametrize("arch", list(TINY))
def test_an_unpacked_stock_model_needs_no_plugin(arch, data, tmp_path):
    base = [a for a in SMALL if a not in ("--init-range", "0.5", "pruned_lstm_nmt_tiny", "--arch")]
    options = ("--arch", arch, *TINY[arch].split(), "--lr", "0.02")
    train(
        data, tmp_path / "dense", *options, "--task", "translation", "--optimizer", "adam",
        "--max-update", "25", base=base,
    )  # fmt: skip
    train(
        data, tmp_path / "run", *options, "--task", "pruned_translation", "--optimizer",
        "pruned_adam", "--prune-scheme", "class-blind", "--prune-sparsity", "0.6",
        "--finetune-from-model", tmp_path / "dense/checkpoint_last.pt", "--max-update", "3",
        base=base,
    )  # fmt: skip
    checkpoint, unpacked = tmp_path / "run/checkpoint_best.pt", tmp_path / "unpacked.pt"
    run("fairseq-prune", "pack", checkpoint, tmp_path / "model.packed")
    run("fairseq-prune", "unpack", tmp_path / "model.packed", unpacked)
    before, after = without_copies(state_of(checkpoint)["model"]), state_of(unpacked)["model"]
    # bytes: stock 0.12.2's transformer stores a number that it never gave a value, maybe NaN
    assert [t.numpy().tobytes() for t in after.values()] == [
        t.numpy().tobytes() for t in before.values()
    ]
    assert list(after) == list(before)
    found = generate_without_plugin(data, unpacked)
    assert len(found) == 30 and len(set(found.values())) > 1
    assert found == generate_without_plugin(data, checkpoint)
    for dense_or_pruned in (tmp_path / "dense/checkpoint_last.pt", checkpoint):
        check_padded_batches(data, dense_or_pruned, tmp_path)
    if arch == "transformer":
        check_copies(data, checkpoint, tmp_path)
        header, _ = taken_apart(tmp_path / "model.packed")
        assert not [name for name in header if name.startswith("decoder.output_projection")]
        names = ("decoder.embed_tokens.weight", "decoder.output_projection.weight")
        assert len({after[name].data_ptr() for name in names}) == 1 and torch.any(after[names[0]])


def check_padded_batches(data, checkpoint, folder):
    """``load_packed`` and ``compare`` in batches, which stock 0.12.2's transformer fails on, say
    what fairseq says of sentences one by one."""
    found = generate_without_plugin(data, checkpoint)
    run("fairseq-prune", "pack", checkpoint, folder / "padded.packed")
    model = fairseq_prune.load_packed(str(folder / "padded.packed"), data=str(data))
    tokens = [model.encode(line) for line in (data.parent / "test.en").read_text().splitlines()]
    beams = model.generate(tokens, beam=2, max_len_a=0, max_len_b=12)
    assert [model.decode(beam[0]["tokens"]) for beam in beams] == [found[k] for k in range(30)]
    output = run(
        "fairseq-prune", "compare", checkpoint, data, "--runtimes", "dense", "--json",
        "--generate", "--beam 2 --max-len-b 12 --batch-size 8",
    )  # fmt: skip
    references = (data.parent / "test.de").read_text().splitlines()
    bleu = sacrebleu.corpus_bleu([found[k] for k in range(30)], [references]).score
    assert json.loads(output[output.index("[\n") :])[0]["bleu"] == pytest.approx(bleu, abs=0.01)
