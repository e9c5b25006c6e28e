"""``fairseq-prune average``: one model of several checkpoints of a run."""

from ..checkpoints.average_files import average_checkpoints
from .say import say


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "average",
        description="Write the mean of the models in the checkpoints IN to OUT. All must have "
        "the same mask (or none), which OUT keeps.",
    )
    verb.add_argument("sources", metavar="IN", nargs="+", help="fairseq checkpoints to read")
    verb.add_argument("--out", required=True, metavar="OUT", help="checkpoint to write")
    verb.set_defaults(run=run_average)


def run_average(args) -> None:
    average_checkpoints(args.sources, args.out)
    say(f"wrote {args.out}, the mean of {len(args.sources)} checkpoints")
