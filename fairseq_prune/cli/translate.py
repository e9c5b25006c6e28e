"""``fairseq-prune translate``: a packed model translates, without fairseq and torch."""

import io
import sys
from dataclasses import fields

from ..engine.translator import SearchOptions, Translator, batches
from ..errors import PruneError


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "translate",
        description="Translate lines from standard input with a packed model, a line for each to "
        "standard output. The file has all that is needed (pack it with its dictionaries and what "
        "cuts text into words); neither fairseq nor torch is imported.",
    )
    verb.add_argument("model", metavar="PACKED", help="file of fairseq-prune pack or compress")
    for option in fields(SearchOptions):
        flag = "--" + option.name.replace("_", "-")
        if option.type is bool or option.type == "bool":
            verb.add_argument(flag, action="store_true", help=option.metadata["help"])
            continue
        verb.add_argument(
            flag,
            type=type(option.default),
            default=option.default,
            metavar="X" if isinstance(option.default, float) else "N",
            help=f"{option.metadata['help']} (default: %(default)g)",
        )
    verb.add_argument(
        "--replace-unk",
        action="store_true",
        help="copy the source's word that was looked at most in the place of <unk>",
    )
    verb.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="lines to translate at once (default: 32; 1 from a terminal)",
    )
    verb.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads (default: OMP_NUM_THREADS, or one a processor)",
    )
    verb.set_defaults(run=run_translate)


def run_translate(args) -> None:
    size = (1 if sys.stdin.isatty() else 32) if args.batch_size is None else args.batch_size
    if size < 1:
        raise PruneError(f"--batch-size {size}: give 1 or more")
    options = SearchOptions(**{o.name: getattr(args, o.name) for o in fields(SearchOptions)})
    translator = Translator(args.model, args.threads)
    # what is not UTF-8 is an unknown word, no reason to stop
    source = io.TextIOWrapper(sys.stdin.buffer, "utf-8", errors="replace", newline="\n")
    target = io.TextIOWrapper(sys.stdout.buffer, "utf-8", newline="\n", write_through=True)
    try:
        for batch in batches(source, size):
            for translations in translator.nbest(batch, args.replace_unk, options):
                target.write("".join(f"{line}\n" for line in translations))
            target.flush()
    finally:
        source.detach(), target.detach()
