"""``--prune-runtime``, ``load_packed`` and ``fairseq-prune compare`` on real commands."""

import copy
import io
import json
import re

import pytest
import sacrebleu
import torch
from commands import DECODE, PLUGIN, RETRAIN, SMALL, lines, run, state_of, train

import fairseq_prune
from fairseq_prune.engine.library import find_library
from fairseq_prune.loading.load import load

OPTIONS = ("--beam", "3", "--max-len-b", "12", "--batch-size", "4")
RUNS = ("dense", "sparse")
TINY = {
    "input-feeding": "--arch pruned_lstm_nmt_tiny --init-range 0.5 --decoder-input-feed "
    "--lstm-bias --share-decoder-input-output-embed",
    "no-attention": "--arch pruned_lstm_nmt_tiny --init-range 0.5 --no-attention",
    "lstm": "--arch lstm --encoder-embed-dim 16 --decoder-embed-dim 16 --encoder-bidirectional "
    "--encoder-layers 2 --decoder-layers 2 --decoder-out-embed-dim 16 --encoder-hidden-size 16 "
    "--decoder-hidden-size 16",
    "transformer": "--arch transformer --encoder-embed-dim 16 --decoder-embed-dim 16 "
    "--encoder-ffn-embed-dim 32 --decoder-ffn-embed-dim 32 --encoder-layers 2 --decoder-layers 2 "
    "--encoder-attention-heads 2 --decoder-attention-heads 2 --share-decoder-input-output-embed",
}


def generate(data, path, runtime, *args, ok=True):
    return run(
        "fairseq-generate", data, "--user-dir", PLUGIN, "--task", "pruned_translation", "--path",
        path, "--prune-runtime", runtime, *DECODE, *(args or OPTIONS), ok=ok,
    )  # fmt: skip


@pytest.fixture(scope="module")
def packed(retrained, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "model.packed"
    run("fairseq-prune", "pack", retrained[0] / "checkpoint_best.pt", path)
    return path


@pytest.fixture(scope="module")
def expected(data, retrained):
    """The translations of fairseq's own task, without this runtime."""
    output = run(
        "fairseq-generate", data, "--user-dir", PLUGIN, "--task", "translation", "--path",
        retrained[0] / "checkpoint_best.pt", *DECODE, *OPTIONS,
    )  # fmt: skip
    assert len(set(lines(output, "H").values())) > 3, "a model that says different things"
    return lines(output, "H")


@pytest.mark.parametrize("runtime", ["dense", "sparse"])
def test_same_translations(runtime, data, retrained, packed, expected):
    for path in (retrained[0] / "checkpoint_best.pt", packed):
        assert lines(generate(data, path, runtime), "H") == expected


def test_one_seed_samples_the_same_sentences(data, packed, expected):
    options = (*OPTIONS, "--sampling", "--sampling-topk", "5", "--nbest", "3", "--seed", "7")
    found = [lines(generate(data, packed, runtime, *options), "H") for runtime in RUNS]
    assert found[0] == found[1] != expected
    source = (data.parent / "test.en").read_text().splitlines()[0]
    said = []
    for runtime in RUNS:
        torch.manual_seed(7)
        model = fairseq_prune.load_packed(str(packed), runtime=runtime)
        said.append(model.sample([source] * 5, sampling=True, max_len_a=0, max_len_b=12))
    assert said[0] == said[1] and len(set(said[0])) > 1


def test_int8_and_auto_translate_about_the_same(data, packed, expected):
    for runtime in ("int8", "auto"):
        output = generate(data, packed, runtime)
        found = lines(output, "H")
        score = sacrebleu.corpus_bleu(
            [found[k] for k in range(30)], [[expected[k] for k in range(30)]]
        ).score
        assert score > 60, runtime
        assert "fairseq-prune compare" in output, "says that translations can change"
        assert f"--prune-runtime {runtime}: " in output, "says what it made of the matrices"
    if find_library() is None:
        assert re.search(r"decoder\.fc_out\.weight \(\d+ x 32, \d+ columns\): \w+ of", output)
    else:
        assert "the engine runs the whole search" in output
        assert re.search(r"--prune-runtime auto: matrices: \d+ (sparse|int8)", output)


def test_interactive(data, packed, expected):
    output = run(
        "fairseq-interactive", data, "--user-dir", PLUGIN, "--path", packed, "--beam", "3",
        "--max-len-b", "12", "--cpu", "--task", "pruned_translation", "--prune-runtime", "sparse",
        "--buffer-size", "30", "--batch-size", "4",
        stdin=(data.parent / "test.en").read_text(),
    )  # fmt: skip
    assert lines(output, "H") == expected


@pytest.mark.parametrize("name", list(TINY))
def test_other_architectures(name, data, tmp_path):
    base = [a for a in SMALL if a not in ("--init-range", "0.5", "pruned_lstm_nmt_tiny", "--arch")]
    model = TINY[name].split()
    train(
        data, tmp_path / "dense", *model, "--task", "translation", "--optimizer", "adam",
        "--lr", "0.02", "--max-update", "25", base=base,
    )  # fmt: skip
    path = tmp_path / "pruned.pt"
    run("fairseq-prune", "prune", tmp_path / "dense/checkpoint_best.pt", path, "--sparsity", "0.7")
    options = ("--beam", "3", "--max-len-b", "12")
    dense = lines(generate(data, path, "dense", *options), "H")
    assert lines(generate(data, path, "sparse", *options), "H") == dense
    assert len(lines(generate(data, path, "auto", *options), "H")) == 30
    is_the_same_model(path, data)


def is_the_same_model(path, data):
    """Whatever the runtime: what it knows of its weights, and what random numbers come next."""
    found = {}
    for runtime in ("dense", "sparse", "int8", "auto"):
        torch.manual_seed(3)
        model, _, _ = load(str(path), str(data), runtime)
        found[runtime] = state = model.state_dict()
        if runtime == "dense":
            draws = torch.get_rng_state()
            continue
        assert torch.equal(torch.get_rng_state(), draws), runtime
        assert list(state) == list(found["dense"]), runtime
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        for copied in (copy.deepcopy(model), torch.load(file, weights_only=False)):
            copied.load_state_dict(found["dense"])
            assert bytes_of(copied.state_dict()) == bytes_of(state), runtime
    assert bytes_of(found["sparse"]) == bytes_of(found["dense"])
    weights = [name for name, weight in found["dense"].items() if weight.dim() == 2]
    largest = max(found["dense"][name].abs().max() for name in weights)
    for name in weights:
        rounded = found["int8"][name] - found["dense"][name]
        assert rounded.abs().max() <= largest / 254 + 1e-6, name


def bytes_of(state):
    """But for numbers that stock 0.12.2's transformer never gives a value."""
    return {n: t.numpy().tobytes() for n, t in state.items() if not n.endswith("._float_tensor")}


def test_load_packed(data, packed, expected):
    # it belongs to the test's folder, so DATA need not be given
    for runtime in ("dense", "sparse"):
        model = fairseq_prune.load_packed(str(packed), runtime=runtime)
        sources = (data.parent / "test.en").read_text().splitlines()
        found = model.translate(sources, beam=3, max_len_b=12, max_len_a=0)
        assert found == [expected[k] for k in range(30)]


def test_load_packed_of_a_model_trained_in_half_precision(data, packed, expected, tmp_path):
    state = state_of(packed)
    state["cfg"]["common"].update(fp16=True, cpu=False)
    trained_there = str(tmp_path / "fp16.pt")
    torch.save(state, trained_there)
    run("fairseq-prune", "pack", trained_there, tmp_path / "fp16.packed")
    model = fairseq_prune.load_packed(str(tmp_path / "fp16.packed"), runtime="sparse")
    source = (data.parent / "test.en").read_text().splitlines()[0]
    assert model.translate(source, beam=3, max_len_b=12, max_len_a=0) == expected[0]


def test_compare(data, packed, expected, tmp_path):
    options = " ".join(OPTIONS)
    output = run("fairseq-prune", "compare", packed, data, "--generate", options, "--json")
    found = {row["runtime"]: row for row in json.loads(output[output.index("[\n") :])}
    assert list(found) == ["dense", "sparse", "int8", "auto"]
    references = (data.parent / "test.de").read_text().splitlines()
    bleu = sacrebleu.corpus_bleu([expected[k] for k in range(30)], [references]).score
    assert found["dense"]["bleu"] == pytest.approx(bleu, abs=0.01)
    assert found["sparse"]["bleu"] == found["dense"]["bleu"]
    for runtime, row in found.items():
        assert row["identical"] + row["ties"] + row["different"] == row["sentences"] == 30
        said = lines(generate(data, packed, runtime), "H")
        same = sum(said[k] == expected[k] for k in range(30))
        if runtime != "auto":  # which may choose otherwise in another process
            assert row["identical"] == same, runtime
    shown = run(
        "fairseq-prune", "compare", packed, data, "--runtimes", "sparse,int8", "--sentences", "7",
        "--generate", options,
    )  # fmt: skip
    bleu = sacrebleu.corpus_bleu([expected[k] for k in range(7)], [references[:7]]).score
    row = rf"^sparse +[\d.]+ +1\.00 +{bleu:.2f} +\+0\.00 +7 +0 +0$"
    assert re.search(row, shown, re.MULTILINE)
    assert re.search(r"fairseq-prune: 4 of 7 sentences, [\d.]+ a second, about \d+ s left", shown)


@pytest.mark.parametrize(
    "args, sentence",
    [
        (["--prune-runtime", "fast"], "--prune-runtime fast: choose one of dense, sparse, int8"),
        (["--prune-runtime", "sparse", "--fp16"], "sparse takes no --fp16"),
    ],
)
def test_mistakes(args, sentence, data, packed):
    output = run(
        "fairseq-generate", data, "--user-dir", PLUGIN, "--task", "pruned_translation", "--path",
        packed, *DECODE, *OPTIONS, *args, ok=1,
    )  # fmt: skip
    assert sentence in output.splitlines()[-1]
    assert "Traceback" not in output


def test_not_for_training(data, dense, tmp_path):
    output = train(
        data, tmp_path / "run", *RETRAIN, "--finetune-from-model", dense, "--max-update", "2",
        "--prune-runtime", "sparse", ok=1,
    )  # fmt: skip
    assert "--prune-runtime is for decoding" in output.splitlines()[-1]
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


def test_compare_mistakes(data, packed, tmp_path):
    for args, sentence in (
        ([packed, data, "--runtimes", "dense,fast"], "--runtimes fast: choose one of"),
        ([packed, data, "--subset", "nowhere"], "nowhere"),
        ([packed, data, "--sentences", "0"], "--sentences 0: give how many to translate"),
        ([packed, tmp_path], "no data for"),
        ([packed, data, "--generate", "--bean 5"], "--bean"),
        ([tmp_path / "none.packed", data], "does not exist"),
    ):
        output = run("fairseq-prune", "compare", *args, ok=1)
        assert sentence in output.splitlines()[-1], output
        assert "Traceback" not in output
