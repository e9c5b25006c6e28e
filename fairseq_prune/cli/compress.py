"""``fairseq-prune compress``: from a trained checkpoint to a small one, in one command."""

import shlex
import sys

from ..errors import PruneError
from .quiet import quiet_libraries
from .say import say, say_json, say_progress


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "compress",
        usage="fairseq-prune compress CKPT DATA --out DIR [options] [-- OPTIONS of fairseq-train]",
        description="Prune the model of CKPT in rounds, retrain it in each with CKPT as teacher, "
        "pack it, and hold it against CKPT. The options of its training are read from CKPT; those "
        "after -- come on top. DIR gets model.packed, checkpoint_best.pt (pruned, a checkpoint of "
        "fairseq's) and a card: card.md, card.html, card.json. Interrupted, the same command goes "
        "on where it was.",
    )
    verb.add_argument("source", metavar="CKPT", help="trained checkpoint; it is not changed")
    verb.add_argument("data", metavar="DATA", help="binarised data that it was trained on")
    verb.add_argument("--out", required=True, metavar="DIR", help="folder to write into")
    _add_goal(verb)
    _add_budget(verb)
    verb.add_argument(
        "--values",
        default="fp32",
        help="what model.packed holds: fp32, the very weights (default); fp16; int8, with a scale "
        "for each output channel",
    )
    _add_scoring(verb)
    verb.add_argument("--cpu", action="store_true", help="stay on the CPU where there is a GPU")
    verb.add_argument(
        "--command",
        default="fairseq-train",
        metavar="COMMAND",
        help="what starts a training, e.g. 'srun fairseq-train' (default: %(default)s)",
    )
    verb.add_argument(
        "--gpus",
        type=int,
        metavar="N",
        help="GPUs that a training has where --command starts it (default: those of this machine)",
    )
    verb.add_argument(
        "--wandb-project", metavar="NAME", help="W&B project that trainings and card go to"
    )
    verb.add_argument(
        "--dry-run",
        action="store_true",
        help="print the rounds, their commands and an estimate of the time, and write nothing",
    )
    verb.add_argument(
        "--json",
        action="store_true",
        help="print the card, or the plan of --dry-run, as JSON, alone on standard output",
    )
    verb.set_defaults(run=run_compress, goes_on=True, after=[])


def _add_goal(verb) -> None:
    verb.add_argument(
        "--sparsity", type=float, help="fraction of weights to prune, in (0, 1) (default: 0.9)"
    )
    verb.add_argument(
        "--max-loss",
        type=float,
        metavar="X",
        help="in place of a sparsity: prune further, round by round, while no more than this is "
        "lost of the metric on the validation set; the last round that keeps to it is taken",
    )
    verb.add_argument(
        "--max-bytes",
        metavar="SIZE",
        help="in place of a sparsity: prune until model.packed has no more bytes, e.g. 20MB, 500kB",
    )


def _add_budget(verb) -> None:
    verb.add_argument(
        "--epochs",
        type=int,
        help="epochs of retraining, all rounds together (default: by the recipe, twice as many as "
        "CKPT was trained for with rounds, and twice that with --max-loss. Of a best checkpoint, "
        "the training's --max-epoch, --max-update or --patience says how many these were, if it "
        "ended it soon; else they are counted to the epoch that CKPT is of)",
    )
    verb.add_argument(
        "--hours", type=float, help="in place of epochs: as many as fit, by a speed measured first"
    )
    verb.add_argument(
        "--recipe",
        default="rounds",
        help="how it is pruned and retrained: rounds (default), the best that is known here; "
        "magnitude, as See et al. 2016 did",
    )
    verb.add_argument(
        "--score",
        metavar="NAME",
        help="what is compared to choose which weights go, as of fairseq-prune prune: magnitude, "
        "fisher, kron, ... (default: the recipe's, kron of rounds)",
    )


def _add_scoring(verb) -> None:
    verb.add_argument(
        "--metric",
        help="what --max-loss is of: bleu, chrf or perplexity (default: bleu, and perplexity of a "
        "language model). The best epoch of a round is the one of the least validation loss, or by "
        "--best-checkpoint-metric of CKPT's training, whatever this is",
    )
    verb.add_argument(
        "--valid", metavar="SUBSET", help="validation set (default: the one of CKPT's training)"
    )
    verb.add_argument(
        "--test", metavar="SUBSET", help="subset to score besides, which decides nothing"
    )
    verb.add_argument(
        "--generate",
        metavar="OPTIONS",
        help="options of fairseq-generate to score translations with (default: '--beam 5', and "
        "--remove-bpe where the dictionary has pieces of words); those of the task are the "
        "checkpoint's unless given",
    )


def run_compress(args) -> None:
    quiet_libraries()
    # here, so that the other verbs do not wait for what decoding needs
    from ..experiments.compress.asked import Asked
    from ..experiments.compress.goal import goal_of
    from ..experiments.compress.run import compress, dry_run
    from ..experiments.compress.track import check_tracking, track

    asked = Asked(
        checkpoint=args.source,
        data=args.data,
        out=args.out,
        goal=goal_of(args.sparsity, args.max_loss, args.max_bytes),
        recipe=args.recipe,
        score=args.score,
        epochs=args.epochs,
        hours=args.hours,
        values=args.values,
        metric=args.metric,
        valid=args.valid,
        test=args.test,
        generate=None if args.generate is None else _split("--generate", args.generate),
        options=tuple(args.after),
        command=_split("--command", args.command),
        user_dir=args.user_dir,
        cpu=args.cpu,
        gpus=args.gpus,
    )
    if args.dry_run:
        _say_plan(dry_run(asked, say_progress), args.json)
        return
    more = []
    if args.wandb_project:
        check_tracking()
        more = ["--wandb-project", args.wandb_project]
    content = compress(asked, ["fairseq-prune", *sys.argv[1:]], say_progress, more)
    if args.wandb_project:
        track(args.wandb_project, content, args.out)
    from ..experiments.compress.card_tables import missed, scores_table, summary
    from ..pruning import table

    if args.json:
        say_json(content)
    else:
        head, rows = scores_table(content)
        say(summary(content), "", *table([head, *rows]), "", f"wrote {args.out}")
    if missed(content):
        raise PruneError(f"{missed(content)}; ask for somewhat less in another --out")


def _say_plan(plan, as_json: bool) -> None:
    from ..experiments.compress.lengths import described

    if as_json:
        say_json(plan)
        return
    commands = (" ".join(map(shlex.quote, command)) for command in plan["commands"])
    say(*described(plan), f"recipe: {plan['about']}", *commands)


def _split(flag: str, words: str):
    try:
        return tuple(shlex.split(words))
    except ValueError as error:
        raise PruneError(f"{flag} {words}: {error}") from error
