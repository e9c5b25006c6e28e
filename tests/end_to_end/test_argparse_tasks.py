"""Tasks whose options come from argparse: dense, pruned, killed, resumed, translated by fairseq."""

import re

import numpy
import pytest
import torch
from commands import PLUGIN, equal, python, run, state_of, train

from fairseq_prune.models.weight_classes import is_copy
from fairseq_prune.pruning import unpack

BASE = """
    --seed 3 --cpu --num-workers 0 --max-tokens 400 --lr 0.01 --log-format json
    --no-epoch-checkpoints --encoder-embed-dim 16 --encoder-ffn-embed-dim 32
    --encoder-attention-heads 2 --encoder-layers 1 --decoder-embed-dim 16
    --decoder-ffn-embed-dim 32 --decoder-attention-heads 2 --decoder-layers 1
""".split()
PRUNE = """
    --prune-scheme class-blind --prune-sparsity 0.6 --prune-schedule iterative
    --prune-rounds 2 --prune-every 3 --max-update 11 --save-interval-updates 2
    --keep-interval-updates 1
""".split()
PAIRS = "--lang-pairs en-de,de-en".split()

#: task -> options of the task, of its model, and what generating needs
TASKS = {
    "multilingual_translation": (PAIRS, ["--arch", "multilingual_transformer"], "en-de"),
    "translation_multi_simple_epoch": (
        [*PAIRS, *"--langs en,de --encoder-langtok src --decoder-langtok --sampling-method "
         "temperature --sampling-temperature 1.5".split()],
        ["--arch", "transformer", "--share-all-embeddings"],
        "en-de",
    ),
    "translation_from_pretrained_bart": (
        "--langs en,de --prepend-bos".split(), ["--arch", "mbart_base"], "en-de",
    ),
    "speech_to_text": (
        [], "--arch s2t_transformer_s --conv-channels 16".split(), None,
    ),
}  # fmt: skip
