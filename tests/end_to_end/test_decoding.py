"""The stock fairseq-generate and fairseq-interactive on pruned models."""

import re

import pytest
import sacrebleu
from commands import (
    DECODE,
    PLUGIN,
    RETRAIN,
    SMALL,
    generate_without_plugin,
    lines,
    run,
    state_of,
    train,
)

from fairseq_prune.checkpoints.weights import aliases_in, prunable_weights


def generate(data, path, *args):
    return run(
        "fairseq-generate", data, "--user-dir", PLUGIN, "--path", path, *DECODE, *args
    )  # fmt: skip


def test_beam_search_scores_as_sacrebleu_does(data, retrained):
    output = generate(
        data, retrained[0] / "checkpoint_best.pt", "--beam", "4", "--max-len-b", "12",
        "--scoring", "sacrebleu", "--batch-size", "7",
    )  # fmt: skip
    hypotheses, references = lines(output, "D"), lines(output, "T")
    assert sorted(hypotheses) == list(range(30)), "every test sentence is translated"
    bleu = sacrebleu.corpus_bleu(
        [hypotheses[k] for k in range(30)], [[references[k] for k in range(30)]]
    )
    shown = float(re.search(r"BLEU = ([\d.]+)", output).group(1))
    assert shown == pytest.approx(bleu.score, abs=0.01)


def test_batches_and_beams_do_not_change_a_translation(data, retrained):
    path = retrained[0] / "checkpoint_best.pt"
    common = ("--beam", "3", "--max-len-b", "12")
    single = lines(generate(data, path, *common, "--batch-size", "1"), "H")
    together = lines(generate(data, path, *common, "--batch-size", "30"), "H")
    assert single == together


def test_replace_unk_takes_the_attended_source_word(tmp_path, data, dense):
    """All output forced to <unk>: each is replaced by the source word that --print-alignment
    names, in batches with padding."""
    raw = tmp_path / "raw"
    run(
        "fairseq-preprocess", "--source-lang", "en", "--target-lang", "de",
        "--srcdict", data / "dict.en.txt", "--tgtdict", data / "dict.de.txt",
        "--testpref", data.parent / "test", "--destdir", raw, "--dataset-impl", "raw",
    )  # fmt: skip
    output = generate(
        raw, dense, "--task", "pruned_translation", "--dataset-impl", "raw", "--replace-unk",
        "--print-alignment", "--unkpen", "-1000", "--batch-size", "10", "--max-len-b", "8",
    )  # fmt: skip
    sources, hypotheses, alignments = (lines(output, kind) for kind in "SHA")
    assert len(hypotheses) == 30
    for k, text in hypotheses.items():
        words = text.split()
        pairs = [tuple(map(int, pair.split("-"))) for pair in alignments[k].split()]
        assert words == [sources[k].split()[source] for source, _ in pairs]


def test_interactive_translates_what_generate_does(data, retrained):
    path = retrained[0] / "checkpoint_best.pt"
    expected = lines(generate(data, path, "--beam", "2", "--max-len-b", "12"), "H")
    sources = (data.parent / "test.en").read_text()
    output = run(
        "fairseq-interactive", data, "--user-dir", PLUGIN, "--path", path, "--beam", "2",
        "--max-len-b", "12", "--cpu", "--task", "pruned_translation", "--replace-unk",
        "--buffer-size", "30", "--max-tokens", "2000", stdin=sources,
    )  # fmt: skip
    assert lines(output, "H") == expected


@pytest.mark.parametrize("arch", ["lstm", "transformer"])
def test_pruned_stock_architecture_decodes_without_the_plugin(arch, data, tmp_path):
    tiny = {
        "lstm": "--encoder-embed-dim 16 --decoder-embed-dim 16 --decoder-out-embed-dim 16",
        "transformer": "--encoder-embed-dim 16 --decoder-embed-dim 16 --encoder-ffn-embed-dim 32 "
        "--decoder-ffn-embed-dim 32 --encoder-layers 2 --decoder-layers 2 "
        "--encoder-attention-heads 2 --decoder-attention-heads 2 "
        "--share-decoder-input-output-embed",
    }[arch].split()
    base = [a for a in SMALL if a not in ("--init-range", "0.5", "pruned_lstm_nmt_tiny", "--arch")]
    model = ("--arch", arch, *tiny)
    train(
        data, tmp_path / "dense", *model, "--task", "translation", "--optimizer", "adam",
        "--lr", "0.01", "--max-update", "8", base=base,
    )  # fmt: skip
    retrain = [{"pruned_sgd": "pruned_adam"}.get(a, a) for a in RETRAIN]
    retrain = retrain[: retrain.index("--momentum")] + retrain[retrain.index("--lr") :]
    train(
        data, tmp_path / "run", *model, *retrain, "--finetune-from-model",
        tmp_path / "dense/checkpoint_best.pt", "--max-update", "3", base=base,
    )  # fmt: skip
    path = tmp_path / "run" / "checkpoint_best.pt"
    state = state_of(path)
    weights = prunable_weights(state, aliases_in(state, str(path))).values()
    zeros = sum(int((w == 0).sum()) for w in weights)
    assert zeros == round(0.8 * sum(w.numel() for w in weights))
    assert len(generate_without_plugin(data, path)) == 30
