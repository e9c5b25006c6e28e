"""``fairseq-prune prune``: prune a checkpoint without training."""

from ..checkpoints.prune_file import prune_checkpoint
from ..pruning import SCHEMES, check_request, describe
from .say import say
from .selection import add_selection, check_selection


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "prune",
        help="prune a checkpoint",
        description="Prune the model in IN and write it to OUT, ready to decode or retrain.",
    )
    verb.add_argument("source", metavar="IN", help="fairseq checkpoint to read")
    verb.add_argument("target", metavar="OUT", help="checkpoint to write; may be IN")
    add_request(verb)
    add_selection(verb)
    verb.set_defaults(run=run_prune)


def add_request(parser) -> None:
    parser.add_argument(
        "--scheme",
        default="class-blind",
        help=f"how pruning is distributed over the weight classes: {', '.join(SCHEMES)}; "
        "or n:m, e.g. 2:4: the n largest of each m neighbours in a row are kept "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--sparsity", type=float, required=True, help="fraction of weights to prune, in [0, 1)"
    )


def run_prune(args) -> None:
    check_selection(args)
    check_request(args.scheme, args.sparsity, flags="--")
    result = prune_checkpoint(
        args.source, args.target, args.scheme, args.sparsity, args.include, args.exclude
    )
    say(*describe(result).split("\n"), f"wrote {args.target}")
