"""``fairseq-prune report``: where the redundancy of a model is."""

import argparse

from ..errors import options_begin_with
from ..pruning import PruneError, check_request
from ..pruning.choice import Calibration
from .choice import add_choice, add_samples, choice_of, chooser, ranker
from .quiet import quiet_libraries
from .say import say


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "report",
        description="Analyse CKPT as it is pruned or, if it is dense, as it would be by --scheme, "
        "--score and --sparsity, and write DIR/report.html, report.json and "
        "the figures as PNG and SVG.",
    )
    verb.add_argument("source", metavar="CKPT", help="fairseq checkpoint to read")
    verb.add_argument(
        "data",
        metavar="DATA",
        nargs="?",
        help="binarised data: names the words, and "
        "shows what pruning each class alone does to perplexity",
    )
    verb.add_argument("--out", required=True, metavar="DIR", help="folder to write into")
    # what a dense CKPT is looked at as pruned by
    add_choice(verb, sparsity=0.8)
    add_samples(verb, f"DATA's {Calibration().subset}")
    verb.add_argument(
        "--subset", default="valid", help="part of DATA to evaluate on (default: %(default)s)"
    )
    verb.add_argument(
        "--breakdown-sparsity",
        type=float,
        default=0.9,
        help="what the classes are pruned alone as at, with DATA (default: %(default)s)",
    )
    verb.set_defaults(run=run_report)


def run_report(args) -> None:
    from ..analysis.report import report  # which needs fairseq: it takes seconds

    with options_begin_with("--breakdown-"):
        check_request("class-blind", args.breakdown_sparsity)
    # --subset is what perplexity is measured on
    choice = choice_of(argparse.Namespace(**{**vars(args), "data": None, "subset": None}))
    if choice.needs_data and args.data is None:
        raise PruneError(
            f"--score {choice.score} looks at data; give DATA, a folder of binarised data, after "
            f"{args.source}"
        )
    rank = ranker(args, choice, args.source)

    def at_once(weights, classes, previous):
        return rank().prune(weights, classes, choice.scheme, args.sparsity)

    in_steps = choice.steps > 1
    choose = chooser(args, choice, args.source, args.sparsity) if in_steps else at_once
    quiet_libraries()
    content = report(
        args.source,
        args.out,
        args.sparsity,
        args.data,
        args.subset,
        args.breakdown_sparsity,
        choose,
        choice.method,
        rank,
    )
    for row in content["redundancy"]["words"]:
        say(f"{row['class']}: {len(row['pruned_rows'])} of {row['words']} words pruned whole")
    say(f"wrote {args.out}/report.html")
