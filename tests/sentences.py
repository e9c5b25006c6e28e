"""Small sentences and models, for tests of ``pruned_lstm_nmt``."""

import torch

PAD, EOS = 1, 2
SOURCES = [[5, 6, 7, EOS], [8, 4, EOS], [9, EOS], [EOS]]
TARGETS = [[EOS, 5, 6, 13, 7], [EOS, 8, 4, 4, 9], [EOS, 10, 11, 12, 4], [EOS, 6, 6, 5, 9]]
VARIANTS = {
    "plain": [],
    "three layers": ["--num-layers", "3"],
    "one layer": ["--num-layers", "1"],
    "input feeding": ["--decoder-input-feed"],
    "bias": ["--lstm-bias"],
    "no attention": ["--no-attention"],
    "no attention, input feeding": ["--no-attention", "--decoder-input-feed", "--lstm-bias"],
    "tied softmax": ["--share-decoder-input-output-embed"],
}


def pad(sentences, left):
    rows = torch.full((len(sentences), max(map(len, sentences))), PAD)
    for row, words in zip(rows, sentences):
        place = slice(len(row) - len(words), None) if left else slice(len(words))
        row[place] = torch.tensor(words)
    return rows
