"""``fairseq-prune unpack``: ordinary checkpoints of packed files."""

from ..checkpoints.packed.pack_file import unpack_file
from .say import say

#: What fairseq's own checkpoints need there, too.
ALONE = (
    "fairseq without this plugin loads it like its own checkpoints, none of which torch 2.6 and "
    "later reads unless TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 is set: for files that you trust, "
    "since a checkpoint may then run code"
)


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "unpack",
        description="Write the model packed in IN to OUT as an ordinary checkpoint, without "
        f"optimizer state: {ALONE}.",
    )
    verb.add_argument("source", metavar="IN", help="packed file to read")
    verb.add_argument("target", metavar="OUT", help="checkpoint to write")
    verb.set_defaults(run=run_unpack)


def run_unpack(args) -> None:
    unpack_file(args.source, args.target)
    say(f"wrote {args.target}; {ALONE}")
