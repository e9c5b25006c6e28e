"""``fairseq-prune factorize``: make a language model's matrices of smaller ones."""

import json
from dataclasses import asdict

from ..checkpoints.factorize_file import factorize_checkpoint
from ..factorization import FORMS
from ..models.factorized import Factorization
from ..pruning import PruneError, table


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "factorize",
        help="make a language model's matrices of smaller ones",
        description="Factorize matrices of the pruned_lstm_lm in IN, those that are given a rank, "
        "and write it to OUT, ready to score, prune or retrain (fairseq-train "
        "--finetune-from-model OUT with the same options).",
    )
    verb.add_argument("source", metavar="IN", help="fairseq checkpoint to read")
    verb.add_argument("target", metavar="OUT", help="checkpoint to write; may be IN")
    verb.add_argument(
        "--factorization",
        required=True,
        metavar="FORM",
        help="low-rank: products of two matrices, by singular values; tensor-train: by TT-SVD",
    )
    verb.add_argument(
        "--lstm-rank", type=int, default=0, help="of each matrix of the LSTM layers (default: 0)"
    )
    verb.add_argument("--softmax-rank", type=int, default=0, help="of the softmax (default: 0)")
    verb.add_argument(
        "--embedding-rank",
        type=int,
        default=0,
        help="of the embedding, low-rank only (default: 0: left dense, as with the others)",
    )
    verb.add_argument(
        "--tensor-train-order",
        type=int,
        default=3,
        help="cores of each tensor train (default: %(default)s)",
    )
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=run_factorize)


def run_factorize(args) -> None:
    if args.factorization not in FORMS:
        raise PruneError(f"--factorization {args.factorization}: choose from {', '.join(FORMS)}")
    done = factorize_checkpoint(
        args.source,
        args.target,
        Factorization(
            args.factorization,
            args.lstm_rank,
            args.softmax_rank,
            args.embedding_rank,
            args.tensor_train_order,
        ),
    )
    if args.json:
        print(json.dumps([asdict(matrix) for matrix in done], indent=2))
        return
    rows = [("matrix", "size", "parameters", "now", "relative error")]
    for m in done:
        size = " x ".join(map(str, m.shape))
        rows.append((m.name, size, f"{m.before:,}", f"{m.after:,}", f"{m.error:.3f}"))
    print("\n".join(table(rows)))
    print(f"wrote {args.target}")
