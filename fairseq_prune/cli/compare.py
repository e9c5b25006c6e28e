"""``fairseq-prune compare``: what each runtime does to speed and BLEU."""

import shlex
from dataclasses import asdict

from ..errors import PruneError
from .quiet import quiet_libraries
from .say import say, say_json, say_progress


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "compare",
        description="Translate a subset of DATA with each --prune-runtime, batch by batch in turn, "
        "and say how fast each is, its BLEU, and how many translations differ from those of the "
        "first.",
    )
    verb.add_argument("source", metavar="CKPT", help="checkpoint or packed file")
    verb.add_argument("data", metavar="DATA", help="folder made by fairseq-preprocess")
    verb.add_argument("--subset", default="test", help="what to translate (default: %(default)s)")
    verb.add_argument(
        "--runtimes",
        help="which, with commas; the first is what others are held against (default: dense and "
        "all that there are)",
    )
    verb.add_argument(
        "--generate",
        default="--beam 5 --batch-size 1",
        metavar="OPTIONS",
        help="options of fairseq-generate (default: %(default)s, and --remove-bpe where the "
        "dictionary has pieces of words); those of the task are the checkpoint's unless given",
    )
    verb.add_argument(
        "--sentences", type=int, metavar="N", help="translate the first N only (default: all)"
    )
    verb.add_argument("--json", action="store_true", help="print JSON")
    verb.set_defaults(run=run_compare)


def run_compare(args) -> None:
    # here, so that --help does not wait for what decoding needs
    from ..analysis.runtimes import TIE, compare
    from ..engine.library import find_library
    from ..pruning import table
    from ..runtime.convert import RUNTIMES
    from ..runtime.torch_products import NOTICE

    runtimes = ["dense", *RUNTIMES] if args.runtimes is None else args.runtimes.split(",")
    try:
        words = shlex.split(args.generate)
    except ValueError as error:
        raise PruneError(f"--generate {args.generate}: {error}") from error
    quiet_libraries()
    if find_library() is None:
        say_progress(NOTICE)
    decodings = compare(
        args.source, args.data, args.subset, words, runtimes, args.sentences, _progress
    )
    if args.json:
        say_json([asdict(decoded) for decoded in decodings])
        return
    first = decodings[0]
    rows = [("runtime", "sentences/s", "ratio", "BLEU", "change", "identical", "ties", "different")]
    for d in decodings:
        rows.append(
            (
                d.runtime,
                f"{d.sentences_per_second:.2f}",
                f"{d.sentences_per_second / first.sentences_per_second:.2f}",
                f"{d.bleu:.2f}",
                f"{d.bleu - first.bleu:+.2f}",
                str(d.identical),
                str(d.ties),
                str(d.different),
            )
        )
    say("", *table(rows), "")
    left_out = f" ({first.left_out} left out)" if first.left_out else ""
    say(f"{first.sentences} sentences{left_out}, {first.signature}; a tie: scores within {TIE:g}")


def _progress(sentences, tokens):
    from ..sequence.progress import Progress

    return Progress(sentences, tokens, 0, say_progress).tell
