"""``fairseq-prune translate``: a packed model translates, without fairseq and torch."""

from dataclasses import fields

from ..engine.translator import SearchOptions, Translator
from .lines import add_reading, batch_size, batches, lines_in_and_out


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "translate",
        description="Translate the lines of TEXT with a packed model, a line for each to standard "
        "output. The file has all that is needed (pack it with its dictionaries and what "
        "cuts text into words); neither fairseq nor torch is imported.",
    )
    verb.add_argument("model", metavar="PACKED", help="file of fairseq-prune pack or compress")
    add_reading(verb)
    for option in fields(SearchOptions):
        flag = "--" + option.name.replace("_", "-")
        if option.type is bool:
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
    verb.set_defaults(run=run_translate)


def run_translate(args) -> None:
    size = batch_size(args)
    options = SearchOptions(**{o.name: getattr(args, o.name) for o in fields(SearchOptions)})
    translator = Translator(args.model, args.threads)
    with lines_in_and_out(args.text) as (source, target):
        for batch in batches(source, size):
            for translations in translator.nbest(batch, args.replace_unk, options):
                target.write("".join(f"{line}\n" for line in translations))
            target.flush()
