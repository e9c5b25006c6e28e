"""``fairseq-prune iterate``: rounds of pruning and retraining, with rewinding."""

import sys
from typing import List

from ..folder_lock import folder_lock
from ..pruning import SPACINGS, PruneError, table
from .choice import add_choice, add_data
from .say import say, say_json, say_progress
from .which_weights import add_selection, check_selection


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "iterate",
        usage="fairseq-prune iterate --from CKPT --out DIR --sparsity X --rounds N [options] "
        "-- fairseq-train DATA ...",
        description="Prune CKPT a little, retrain it with the training command after --, and so "
        "on until sparsity X is reached. The command's options are those of one round: "
        "--max-epoch or --max-update, learning rate and schedule, pruned_ task and optimizer. "
        "Round N is in DIR/roundN. Interrupted, the same command goes on where it was.",
    )
    verb.add_argument(
        "--from", dest="source", metavar="CKPT", required=True, help="trained model to start from"
    )
    verb.add_argument(
        "--out", metavar="DIR", required=True, help="folder to make, with a folder for each round"
    )
    add_choice(verb)
    add_data(verb, when="with --rewind weights alone, where it is needed: ")
    add_selection(verb)
    verb.add_argument("--rounds", type=int, required=True, help="prunings, 1 or more")
    verb.add_argument(
        "--spacing",
        choices=SPACINGS,
        default=SPACINGS[0],
        help="sparsity after each round: geometric, the same fraction of what is left each time; "
        "even, as many weights each time (default: %(default)s)",
    )
    verb.add_argument(
        "--rewind",
        default="learning-rate",
        help="what each round starts again with: learning-rate, the best model of the round "
        "before and the learning rate schedule from its beginning; weights, the weights of "
        "--rewind-to under the mask that the round before leads to, and the schedule from its "
        "beginning; none, the round before goes on, its optimizer state and learning rate "
        "schedule too (default: %(default)s)",
    )
    verb.add_argument(
        "--rewind-to", metavar="CKPT", help="checkpoint from early in training, for weights"
    )
    verb.add_argument(
        "--json",
        action="store_true",
        help="print the final table as JSON, alone on standard output",
    )
    verb.add_argument("command", nargs="...", metavar="-- fairseq-train DATA ...")
    verb.set_defaults(run=run_iterate, goes_on=True)


def run_iterate(args) -> None:
    # here, so that --help does not wait for fairseq
    from ..experiments.jobs import Job
    from ..experiments.rounds import Rounds
    from ..user_dir import import_plugin_of
    from .iterate_plan import plan_of

    if args.command[:1] == ["--"]:
        args.command = args.command[1:]
    # schemes and scores of the user's own are asked for here, too
    import_plugin_of(args.command, "the training command")
    check_selection(args, joined=args.rewind != "weights")
    plan = plan_of(args)
    with folder_lock(args.out, "iterate") as lock:

        def train(heading: str, folder: str, command: List[str]) -> None:
            with Job(command, lock, stdout=sys.stderr if args.json else None) as job:
                status = job.wait()
            if status:
                raise PruneError(
                    f"{heading}: the training command failed (exit status {status}); what it "
                    f"said is above, and the same fairseq-prune command goes on from there"
                )

        rounds = Rounds(plan, train)
        for _ in rounds.run(say_progress):
            pass
    summary = rounds.summary()
    if args.json:
        say_json(summary)
        return
    rows = [("round", "sparsity", "best validation score", "checkpoint")]
    for r in summary:
        score = "-" if r["best"] is None else f"{r['best']:g}"
        rows.append((str(r["round"]), f"{100 * r['sparsity']:.2f}%", score, r["checkpoint"]))
    say(*table(rows))
