"""``fairseq-prune inspect``: what a checkpoint holds."""

from typing import List, Tuple

from ..checkpoints.inspect_file import inspect_checkpoint
from ..parameters.weight_classes import GATES
from ..pruning import method_in, table, thresholds
from .say import say, say_json
from .which_weights import add_selection, check_selection


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "inspect",
        description="Weight classes, sizes, sparsity, threshold and density by gate.",
    )
    verb.add_argument("source", metavar="CKPT", help="fairseq checkpoint to read")
    add_selection(verb)
    verb.add_argument("--json", action="store_true", help="print JSON instead of tables")
    verb.set_defaults(run=run_inspect)


def run_inspect(args) -> None:
    check_selection(args)
    facts = inspect_checkpoint(args.source, args.include, args.exclude)
    if args.json:
        say_json(facts)
    else:
        say(*inspection(facts))


def inspection(facts) -> List[str]:
    """The lines that ``inspect`` prints for people."""
    how = [f"mask: {facts['mask']}"]
    if facts["scheme"]:
        how.append(f"{method_in(facts)} to {facts['target_sparsity']:g}")
        how.append(thresholds(facts["threshold"]))
    lines = [
        f"{facts['checkpoint']}: {facts['bytes']:,} bytes, {facts['parameters']:,} parameters, "
        f"{facts['weights']:,} prunable, {facts['pruned']:,} pruned "
        f"({100 * facts['sparsity']:.2f}%)",
        ", ".join(filter(None, how)),
    ]
    texts = [
        f"{name} ({' '.join(filter(None, (text['kind'], text.get('language'))))})"
        for name, text in facts["texts"].items()
    ]
    lines += [f"texts: {', '.join(texts)}"] if texts else []
    shortlist = facts["shortlist"]
    lines += [f"shortlist: {shortlist['translations']:,} translations"] if shortlist else []
    lines.append("")
    rows: List[Tuple[str, ...]] = [
        ("weight class", "weights", "pruned", "sparsity", "smallest kept", "largest")
    ]
    for c in facts["classes"]:
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
    gated = [c for c in facts["classes"] if c["gates"]]
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
