"""What pruning leaves of rare words: of rows of embeddings and softmax, by how often their word is
in the training data.

    python scripts/rare_words.py DATA CKPT...

Prints, for each checkpoint and matrix of rows of words, the share of weights that are left in the
rows of words of each frequency, and how many of the rows have none.
"""

import argparse
from typing import List, Tuple

import torch
from torch import Tensor

from fairseq_prune.cli.mistakes import mistakes_in_a_sentence
from fairseq_prune.cli.quiet import quiet_imports, quiet_libraries

with quiet_imports():
    from fairseq_prune.loading.evaluation import load_model
    from fairseq_prune.parameters.ties import aliases_of
    from fairseq_prune.parameters.weight_classes import fairseq_classes, fairseq_prunable

#: Least and greatest counts of words that are looked at together.
BANDS = ((1000, None), (100, 999), (10, 99), (0, 9))


def left_by_band(weight: Tensor, counts: List[int]) -> List[Tuple[int, float, int]]:
    """For each of BANDS: rows, share of their weights that are not zero, rows without any.

    Args:
        weight: [words, width].
        counts: of each word in the training data.
    """
    left = (weight != 0).float().mean(dim=1)
    counted = torch.tensor(counts)
    found = []
    for least, most in BANDS:
        rows = left[(counted >= least) & (counted <= (float("inf") if most is None else most))]
        share = float(rows.mean()) if len(rows) else float("nan")
        found.append((len(rows), share, int((rows == 0).sum())))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("checkpoints", metavar="CKPT", nargs="+")
    args = parser.parse_args()
    quiet_libraries()
    for path in args.checkpoints:
        model, task = load_model(path, args.data, [])
        named = {name: weight.data for name, weight in model.named_parameters()}
        aliases = aliases_of(model)
        weights = fairseq_prunable(named, aliases=aliases)
        print(path)
        for name, weight_class in fairseq_classes(weights, aliases).items():
            if not any(word in weight_class for word in ("embedding", "softmax")):
                continue
            source = weight_class.startswith("source")
            dictionary = task.source_dictionary if source else task.target_dictionary
            start = dictionary.nspecial
            bands = left_by_band(weights[name][start:], dictionary.count[start:])
            said = ", ".join(
                f"{least}{'+' if most is None else f'-{most}'}: {share:.1%} of {rows} rows, "
                f"{empty} empty"
                for (least, most), (rows, share, empty) in zip(BANDS, bands)
            )
            print(f"  {weight_class}: {said}")


if __name__ == "__main__":
    with mistakes_in_a_sentence("rare_words", OSError):
        main()
