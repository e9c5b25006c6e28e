"""``fairseq-prune prune``: prune a checkpoint without training."""

from ..checkpoints.prune_file import prune_checkpoint
from ..pruning import describe
from .choice import add_choice, add_data, choice_of, chooser
from .quiet import quiet_libraries
from .say import say
from .which_weights import add_selection, check_selection


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "prune",
        description="Prune the model in IN and write it to OUT, ready to decode or retrain.",
    )
    verb.add_argument("source", metavar="IN", help="fairseq checkpoint to read")
    verb.add_argument("target", metavar="OUT", help="checkpoint to write; may be IN")
    add_choice(verb)
    add_data(verb)
    add_selection(verb)
    verb.set_defaults(run=run_prune)


def run_prune(args) -> None:
    check_selection(args)
    choice = choice_of(args)
    choose = chooser(args, choice, args.source, args.sparsity)
    if choice.needs_data:
        quiet_libraries()
    result = prune_checkpoint(
        args.source, args.target, choose, args.sparsity, args.include, args.exclude
    )
    say(*describe(result).split("\n"), f"wrote {args.target}")
