"""``fairseq-prune report``: where the redundancy of a model is."""

from ..analysis.report import report


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "report",
        help="show where the redundancy is: a page with figures, and the numbers as JSON",
        description="Analyse CKPT, dense or pruned, and write DIR/report.html, report.json and "
        "the figures as PNG and SVG.",
    )
    verb.add_argument("source", metavar="CKPT", help="fairseq checkpoint to read")
    verb.add_argument("data", metavar="DATA", nargs="?", help="binarised data, for its words")
    verb.add_argument("--out", required=True, metavar="DIR", help="folder to write into")
    verb.add_argument(
        "--sparsity",
        type=float,
        default=0.8,
        help="what a dense CKPT is looked at as pruned to, class-blind (default: %(default)s)",
    )
    verb.set_defaults(run=run_report)


def run_report(args) -> None:
    found = report(args.source, args.out, args.sparsity, args.data)
    for row in found["redundancy"]["words"]:
        print(f"{row['class']}: {len(row['pruned_rows'])} of {row['words']} words pruned whole")
    print(f"wrote {args.out}/report.html")
