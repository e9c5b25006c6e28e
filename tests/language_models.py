"""Small language models: how the tests train and score them."""

import re

from commands import PLUGIN, run, train

LM = """
    --task pruned_language_modeling --tokens-per-sample 12 --batch-size 4 --seed 3 --cpu
    --num-workers 0 --clip-norm 0.25 --optimizer pruned_sgd --lr 5 --log-format json
    --no-epoch-checkpoints --arch pruned_lstm_lm_tiny
""".split()
#: A transformer, which reads no more at a time than it was trained with.
SHORT = """
    --task pruned_language_modeling --tokens-per-sample 12 --batch-size 4 --seed 3 --cpu
    --num-workers 0 --optimizer pruned_sgd --lr 1 --log-format json --no-epoch-checkpoints
    --arch transformer_lm --decoder-embed-dim 16 --decoder-ffn-embed-dim 16 --decoder-layers 1
    --decoder-attention-heads 2
""".split()
LOW_RANK = "--factorization low-rank --lstm-rank 6 --softmax-rank 5 --embedding-rank 7".split()
TRAIN = "--factorization tensor-train --lstm-rank 6 --softmax-rank 5".split()


def eval_lm(data, path, *more, subset="test", tokens=2048, batch=2):
    """fairseq-eval-lm's loss in bits a word."""
    said = run(
        "fairseq-eval-lm", data, "--user-dir", PLUGIN, "--path", path, "--gen-subset", subset,
        "--tokens-per-sample", tokens, "--batch-size", batch, "--cpu", "--num-workers", "0", *more,
    )  # fmt: skip
    return float(re.search(r"Loss \(base 2\): ([\d.]+)", said).group(1))


def retrain(text, folder, start, *more):
    options = ("--finetune-from-model", start, "--max-update", "8")
    return train(text, folder, *options, *more, base=LM)
