"""``fairseq-prune compress`` on models of other kinds, trained without this plugin too."""

import pytest
from commands import run
from compressing import card_of, compress, counts, translated
from language_models import eval_lm

#: Plain fairseq-train, without this plugin.
STOCK = """
    --cpu --num-workers 0 --max-tokens 400 --max-epoch 1 --log-format json
    --no-epoch-checkpoints --optimizer adam --lr 0.01
""".split()
ARCHS = {
    "transformer": """--arch transformer_iwslt_de_en --encoder-embed-dim 16
        --encoder-ffn-embed-dim 16 --encoder-layers 1 --encoder-attention-heads 2
        --decoder-embed-dim 16 --decoder-ffn-embed-dim 16 --decoder-layers 1
        --decoder-attention-heads 2 --criterion label_smoothed_cross_entropy
        --label-smoothing 0.1 --share-decoder-input-output-embed""",
    "lstm": """--arch lstm --encoder-embed-dim 16 --encoder-hidden-size 16 --decoder-embed-dim 16
        --decoder-hidden-size 16 --decoder-out-embed-dim 16""",
    "fconv": """--arch fconv --encoder-embed-dim 16 --decoder-embed-dim 16
        --decoder-out-embed-dim 16 --encoder-layers [(16,3)] --decoder-layers [(16,3)]""",
}


@pytest.mark.parametrize("arch", list(ARCHS))
def test_stock_architectures_trained_without_this_plugin(data, tmp_path, arch):
    run(
        "fairseq-train", data, *STOCK, *ARCHS[arch].split(), "--save-dir", tmp_path / "dense",
        prepare=("outside", "refuse_the_plugin"),
    )  # fmt: skip
    out = tmp_path / "out"
    dense = tmp_path / "dense" / "checkpoint_best.pt"
    translated(dense, data, out, "--sparsity", "0.6", "--values", "int8", "--epochs", "1")
    card = card_of(out)
    kept, weights = counts(out / "model.packed")
    assert 1 - kept / weights == pytest.approx(0.6, abs=0.01)
    assert len(card["rounds"]) == 1 and len(card["rounds"][0]["validations"]) == 1
    # of a model this small most of the file is its configuration
    assert card["sizes"]["packed"] == (out / "model.packed").stat().st_size


def test_a_language_model(text, language_model, tmp_path):
    out = tmp_path / "out"
    compress(language_model, text, out, "--sparsity", "0.6", "--epochs", "2", "--test", "test")
    card = card_of(out)
    for found in card["scores"]:
        assert found["differences"] == []
        loss = eval_lm(text, out / "model.packed", subset=found["subset"], tokens=12, batch=4)
        assert found["perplexity"]["packed"] == pytest.approx(2**loss, rel=2e-3)
    assert card["speeds"]["unit"] == "words"
    said = translated(language_model, text, tmp_path / "no", ok=False)
    assert "--generate is of translations" in said and "Traceback" not in said
