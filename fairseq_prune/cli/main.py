"""``fairseq-prune VERB``: pruning of checkpoint files, without training."""

import argparse
import json
import re
import sys
from typing import List, Optional

from ..checkpoints.inspect_file import inspect_checkpoint
from ..checkpoints.prune_file import prune_checkpoint
from ..models.weight_classes import GATES
from ..pruning import SCHEMES, PruneError, check_request, describe, table, thresholds


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fairseq-prune", description=__doc__.split(": ")[1])
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    verb = verbs.add_parser(
        "prune",
        help="prune a checkpoint",
        description="Prune the model in IN and write it to OUT, ready to decode or retrain.",
    )
    verb.add_argument("source", metavar="IN", help="fairseq checkpoint to read")
    verb.add_argument("target", metavar="OUT", help="checkpoint to write; may be IN")
    verb.add_argument(
        "--scheme",
        default="class-blind",
        help=f"how pruning is distributed over the weight classes: {', '.join(SCHEMES)} "
        "(default: %(default)s)",
    )
    verb.add_argument(
        "--sparsity", type=float, required=True, help="fraction of weights to prune, in [0, 1)"
    )
    _add_selection(verb)
    verb.set_defaults(run=run_prune)

    verb = verbs.add_parser(
        "inspect",
        help="say what a checkpoint holds",
        description="Weight classes, sizes, sparsity, threshold and density by gate.",
    )
    verb.add_argument("source", metavar="CKPT", help="fairseq checkpoint to read")
    _add_selection(verb)
    verb.add_argument("--json", action="store_true", help="print JSON instead of tables")
    verb.set_defaults(run=run_inspect)
    return parser


def _add_selection(parser) -> None:
    for flag, text in (
        ("--include", "count also what this matches although it is no weight matrix"),
        ("--exclude", "leave out what this matches"),
    ):
        parser.add_argument(
            flag,
            action="append",
            default=[],
            metavar="REGEX",
            help=f"{text}, in 'CLASS: PARAMETER NAME'; may be given several times",
        )


def run_prune(args) -> None:
    check_request(args.scheme, args.sparsity, flags="--")
    result = prune_checkpoint(
        args.source, args.target, args.scheme, args.sparsity, args.include, args.exclude
    )
    print(describe(result))
    print(f"wrote {args.target}")


def run_inspect(args) -> None:
    found = inspect_checkpoint(args.source, args.include, args.exclude)
    print(json.dumps(found, indent=2) if args.json else "\n".join(inspection(found)))


def inspection(found) -> List[str]:
    """The lines that ``inspect`` prints for people."""
    how = f"mask: {found['mask']}"
    if found["scheme"]:
        how += f", {found['scheme']} to {found['target_sparsity']:g}, "
        how += thresholds(found["threshold"] or {})
    lines = [
        f"{found['checkpoint']}: {found['bytes']:,} bytes, {found['parameters']:,} parameters, "
        f"{found['weights']:,} prunable, {found['pruned']:,} pruned "
        f"({100 * found['sparsity']:.2f}%)",
        how,
        "",
    ]
    rows = [("weight class", "weights", "pruned", "sparsity", "smallest kept", "largest")]
    for c in found["classes"]:
        rows.append(
            (
                c["name"],
                f"{c['weights']:,}",
                f"{c['pruned']:,}",
                f"{100 * c['sparsity']:.2f}%",
                *(
                    "-" if c[key] is None else f"{c[key]:.5f}"
                    for key in ("smallest_kept", "largest")
                ),
            )
        )
    lines += table(rows)
    gated = [c for c in found["classes"] if c["gates"]]
    if gated:
        columns = [(g, source) for source in ("feed-forward", "recurrent") for g in GATES]
        rows = [("density by gate", *(f"{source[:3]}:{g}" for g, source in columns))]
        for c in gated:
            density = {(g["gate"], g["input"]): f"{100 * g['density']:.1f}%" for g in c["gates"]}
            rows.append((c["name"], *(density.get(column, "-") for column in columns)))
        lines += [
            "",
            *table(rows),
            "(fee: feed-forward input, rec: recurrent; g is the input signal)",
        ]
    return lines


def main(argv: Optional[List[str]] = None) -> None:
    args = build_parser().parse_args(argv)
    try:
        for pattern in args.include + args.exclude:
            try:
                re.compile(pattern)
            except re.error as error:
                raise PruneError(f"{pattern!r} is no regular expression: {error}")
        args.run(args)
    except PruneError as error:
        sys.exit(f"fairseq-prune: error: {error}")
    except BrokenPipeError:
        sys.stderr.close()


if __name__ == "__main__":
    main()
