"""``fairseq-prune factorize``: make a language model's matrices of smaller ones."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ..errors import PruneError
from .say import say, say_json

if TYPE_CHECKING:
    from ..models.factorized import Factorization


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "factorize",
        description="Factorize matrices of the pruned_lstm_lm in IN, those that are given a rank, "
        "and write it to OUT, ready to score, prune or retrain: fairseq-train "
        "--finetune-from-model OUT with the architecture, --factorization and ranks of OUT. "
        "IN may not be pruned: factorize, then prune.",
    )
    verb.add_argument("source", metavar="IN", help="fairseq checkpoint to read")
    verb.add_argument("target", metavar="OUT", help="checkpoint to write; may be IN")
    verb.add_argument(
        "--factorization",
        required=True,
        metavar="FORM",
        help="low-rank: products of two matrices, by singular values; tensor-train: by TT-SVD",
    )
    for flag, what in (
        ("--lstm-rank", "each matrix of the LSTM layers"),
        ("--softmax-rank", "the softmax"),
        ("--embedding-rank", "the embedding, low-rank only"),
    ):
        verb.add_argument(
            flag,
            type=int,
            default=0,
            metavar="R",
            help=f"of {what}; a tensor train has it at most (default: 0: left dense)",
        )
    verb.add_argument(
        "--tensor-train-order",
        type=int,
        default=3,
        help="cores of each tensor train (default: %(default)s)",
    )
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=run_factorize)


def asked_factorization(args) -> "Factorization":
    """What the options ask for.

    Raises:
        PruneError: there is no such form.
    """
    from ..factorization import FORMS
    from ..models.factorized import Factorization

    if args.factorization not in FORMS:
        raise PruneError(f"--factorization {args.factorization}: choose from {', '.join(FORMS)}")
    return Factorization.of(args)


def run_factorize(args) -> None:
    # here, so that --help does not wait for fairseq
    from ..checkpoints.factorize_file import factorize_checkpoint
    from ..pruning import table

    done = factorize_checkpoint(args.source, args.target, asked_factorization(args))
    if args.json:
        say_json([asdict(matrix) for matrix in done])
        return
    rows = [("matrix", "size", "parameters", "now", "relative error")]
    for m in done:
        size = " x ".join(map(str, m.shape))
        rows.append((m.name, size, f"{m.before:,}", f"{m.after:,}", f"{m.error:.3f}"))
    say(*table(rows))
    for m in done:
        if m.after >= m.before:
            say(f"{m.name} has no fewer parameters than before: give a lower rank")
    say(f"wrote {args.target}")
