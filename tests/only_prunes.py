"""In place of fairseq-train: prunes by magnitude, as its options say, and trains nothing."""

import argparse
import os

from fairseq_prune.analysis.choose import choose_for
from fairseq_prune.checkpoints.prune_file import prune_checkpoint
from fairseq_prune.pruning.choice import Choice

parser = argparse.ArgumentParser(allow_abbrev=False)
for flag in ("--save-dir", "--finetune-from-model", "--prune-scheme"):
    parser.add_argument(flag)
parser.add_argument("--prune-sparsity", type=float)


def main():
    args, _ = parser.parse_known_args()
    os.makedirs(args.save_dir, exist_ok=True)
    source, target = args.finetune_from_model, args.prune_sparsity
    choose = choose_for(source, Choice(args.prune_scheme, "magnitude"), target)
    prune_checkpoint(source, os.path.join(args.save_dir, "checkpoint_best.pt"), choose, target)
