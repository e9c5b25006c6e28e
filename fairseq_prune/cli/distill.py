"""``fairseq-prune distill``: a teacher's translations, to train on."""

from .quiet import quiet_libraries
from .say import say, say_json, say_progress


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "distill",
        description="Write folder DIR, for fairseq-train: DATA with the translations of CKPT, the "
        "teacher, for the targets of the training set (sequence-level distillation: Kim and Rush "
        "2016). They are the decoder's numbers of words, <unk> too. Sentences that are too long "
        "for CKPT keep their reference. Interrupted, the same command goes on where it was.",
    )
    verb.add_argument("source", metavar="CKPT", help="checkpoint or packed file: the teacher")
    verb.add_argument("data", metavar="DATA", help="folder made by fairseq-preprocess")
    verb.add_argument("--out", required=True, metavar="DIR", help="data folder to make")
    verb.add_argument(
        "--subset",
        default="train",
        help="what to translate, and with it those that fairseq-train reads together with it: "
        "train1, ... (default: %(default)s)",
    )
    verb.add_argument(
        "--by",
        default="beam",
        metavar="WHAT",
        help="beam: the best hypothesis (Kim and Rush 2016, section 3.2; default). reference: of "
        "the beam, the one nearest to the reference, by smoothed sentence BLEU on the tokens of "
        "the data (section 3.3); a wider beam has more to choose from",
    )
    verb.add_argument(
        "--keep-reference",
        action="store_true",
        help="leave the training set as it is and add the translations as train1 (or the next "
        "number), which fairseq-train reads together with it",
    )
    verb.add_argument(
        "--beam", type=int, default=5, help="as fairseq-generate (default: %(default)s)"
    )
    verb.add_argument(
        "--max-len-a",
        type=float,
        default=0,
        metavar="A",
        help="translations have A x + B words at most, x those of the source, as in "
        "fairseq-generate (default: %(default)s)",
    )
    verb.add_argument(
        "--max-len-b", type=int, default=200, metavar="B", help="see there (default: %(default)s)"
    )
    verb.add_argument(
        "--lenpen",
        type=float,
        default=1,
        help="length penalty, as fairseq-generate (default: %(default)s)",
    )
    verb.add_argument(
        "--batch-size",
        type=int,
        metavar="N",
        help="sentences at a time, of about one length (default: 64, or what --max-tokens allows)",
    )
    verb.add_argument(
        "--max-tokens", type=int, metavar="N", help="tokens at a time, padding included"
    )
    verb.add_argument(
        "--runtime",
        help="as --prune-runtime: dense (on a GPU, where there is one, and as fairseq-generate), "
        "sparse, int8 or auto, which rounds weights where that is faster (default: dense where "
        "there is a GPU, else auto)",
    )
    verb.add_argument("--cpu", action="store_true", help="stay on the CPU where there is a GPU")
    verb.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="processes, each with a model in memory; faster than as many threads of one "
        "(default: %(default)s)",
    )
    verb.add_argument("--json", action="store_true", help="print the counts as JSON")
    verb.set_defaults(run=run_distill, goes_on=True)


def run_distill(args) -> None:
    quiet_libraries()
    # here, so that the other verbs do not wait for what decoding needs
    from ..sequence.distill import distill
    from ..sequence.request import Request, usual_runtime

    asked = {name: getattr(args, name) for name in Request.__dataclass_fields__}
    asked["runtime"] = args.runtime or usual_runtime(args.cpu)
    counts = distill(Request(**asked), args.out, args.jobs, say_progress, args.user_dir)
    if args.json:
        say_json(counts)
        return
    rest = ""
    if counts["too_long"]:
        rest = f"; {counts['too_long']:,} were too long and keep their reference"
    say(
        f"{counts['translated']:,} of {counts['sentences']:,} sentences translated{rest}",
        f"{counts['unknown']:,} of {counts['tokens']:,} words of the translations are <unk>",
        f"wrote {args.out}",
    )
