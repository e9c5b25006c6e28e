"""``fairseq-prune pack``: small files."""

from dataclasses import asdict
from typing import Optional

from ..checkpoints.packed.pack_file import Packed, pack_checkpoint
from ..checkpoints.texts import ANYTHING, TextOptions, find_texts
from ..packed.described import VALUES
from ..packed.shortlist import Shortlist, ShortlistOptions
from ..pruning import PruneError
from .quiet import quiet_libraries
from .say import say, say_json


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "pack",
        description="Write the model in CKPT to OUT: the mask compressed, the weights that are "
        "kept, the configuration, the dictionaries and what cuts text into their words. No bit is "
        "lost unless --values says so. fairseq-generate "
        "--path takes OUT as it is, with --user-dir fairseq_prune.",
    )
    verb.add_argument("source", metavar="CKPT", help="fairseq checkpoint to read")
    verb.add_argument("target", metavar="OUT", help="packed file to write")
    verb.add_argument(
        "--values",
        default="exact",
        help="exact: every bit (default); fp16; int8, with a scale for each output channel. "
        "Of matrices; biases and norms stay as they are",
    )
    verb.add_argument(
        "--data",
        metavar="DIR",
        help="folder with the dictionaries (default: the one trained on)",
    )
    verb.add_argument(
        "--bpe",
        metavar="KIND",
        help="what cuts text into the dictionary's words: sentencepiece, subword_nmt or none "
        "(default: what the data folder has)",
    )
    verb.add_argument(
        "--bpe-codes", metavar="FILE", help="the sentencepiece model, or the codes of subword_nmt"
    )
    verb.add_argument(
        "--tokenizer",
        metavar="KIND",
        help="what cuts text before that: moses or none (default: what CKPT names)",
    )
    verb.add_argument(
        "--no-texts",
        action="store_true",
        help="leave out the dictionaries and what cuts text into their words: smaller, for use "
        "with fairseq and the data folder alone",
    )
    verb.add_argument(
        "--shortlist",
        type=int,
        nargs="?",
        const=ShortlistOptions.best,
        metavar="N",
        help="store, for translate --shortlist, the N words (default: %(const)s) that each word of "
        "the source is translated by most often in the training data",
    )
    verb.add_argument(
        "--shortlist-frequent",
        type=int,
        metavar="N",
        help=f"and the N most frequent words (default: {ShortlistOptions.frequent})",
    )
    verb.add_argument(
        "--alignments",
        metavar="FILE",
        help="what words are each other's translations in the training data, a line such as 0-0 "
        "1-2 for each sentence (default: eflomal finds out)",
    )
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=run_pack)


def run_pack(args) -> None:
    if args.values not in VALUES:
        raise PruneError(f"--values {args.values}: choose one of {', '.join(VALUES)}")
    quiet_libraries()
    asked = TextOptions(args.bpe, args.bpe_codes, args.tokenizer)
    if args.no_texts and asked != ANYTHING:
        raise PruneError("--no-texts leaves out what --bpe, --bpe-codes and --tokenizer ask for")
    found = find_texts(args.source, args.data, asked)
    texts, notes = ({}, []) if args.no_texts else (found.texts, found.notes)
    shortlist = _shortlist(args)
    packed = pack_checkpoint(
        args.source, args.target, args.values, found.dictionaries, texts, shortlist
    )
    if args.json:
        say_json({**asdict(packed), "notes": notes})
        return
    say(_sizes(packed))
    for what in packed.left_out:
        say(f"left out: {what}")
    for note in notes:
        say(note)
    say(f"wrote {args.target}")


def _shortlist(args) -> Optional[Shortlist]:
    if args.shortlist is None:
        for name in ("shortlist_frequent", "alignments"):
            if getattr(args, name) is not None:
                raise PruneError(f"--{name.replace('_', '-')} is for --shortlist: give that too")
        return None
    if args.no_texts:
        raise PruneError(
            "--shortlist is for fairseq-prune translate, which needs --no-texts left out"
        )
    frequent = args.shortlist_frequent
    usual = ShortlistOptions.frequent
    asked = ShortlistOptions(
        args.shortlist, usual if frequent is None else frequent, args.alignments
    )
    say("what words are each other's translations in the training data is being counted")
    from ..shortlist.make import make_shortlist  # which needs fairseq: it takes seconds

    return make_shortlist(args.source, args.data, asked)


def _sizes(packed: Packed) -> str:
    share = 100 * packed.file_bytes / packed.dense_bytes
    model_bytes = packed.file_bytes - packed.text_bytes
    over = 100 * (model_bytes / packed.bound_bytes - 1)
    texts = f"; {packed.text_bytes:,} of them are texts" if packed.text_bytes else ""
    return (
        f"{packed.file_bytes:,} bytes, {share:.1f}% of the model's {packed.dense_bytes:,}, "
        f"{8 * model_bytes / packed.parameters:.2f} bits a parameter; "
        f"{over:.1f}% above the entropy bound{texts}"
    )
