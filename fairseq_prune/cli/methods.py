"""``fairseq-prune methods``: ways to compress a language model, made and compared."""

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from typing import List

from ..checkpoints.folder_lock import folder_lock
from ..pruning import PruneError
from .grid import say
from .quiet import quiet_libraries


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "methods",
        help="compress a language model in several ways and compare them",
        description="Make the models that CONFIG asks for: trained, pruned, retrained, factorized, "
        "quantized, or several of these; pack each; print its parameters, bytes, perplexity, and "
        "the words a second that it reads on the CPU. DIR/methods.json and DIR/methods.md get the "
        "same. Interrupted, the same command goes on where it was.",
    )
    verb.add_argument("config", metavar="CONFIG", help="YAML file (configs/methods)")
    verb.add_argument("--out", required=True, metavar="DIR", help="folder to write into")
    verb.add_argument(
        "--jobs",
        type=int,
        default=1,
        help="trainings at a time; set OMP_NUM_THREADS so that they have a core each "
        "(default: %(default)s)",
    )
    verb.set_defaults(run=run_methods)


def call(command: List[str]) -> None:
    """Carry out ``fairseq-prune VERB ...`` in this process, without what it says.

    Raises:
        PruneError: as the verb does, or its options are wrong.
    """
    from .main import build_parser

    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            args = build_parser().parse_args(command[1:])
    except SystemExit:
        raise PruneError(said.getvalue().strip().split("\n")[-1]) from None
    with redirect_stdout(said):
        args.run(args)


def run_methods(args) -> None:
    quiet_libraries()
    from ..experiments.methods.make import Maker
    from ..experiments.methods.read import read_plan
    from ..experiments.methods.score import score, write_rows
    from ..experiments.methods.table import as_markdown, as_text

    if args.jobs < 1:
        raise PruneError(f"--jobs {args.jobs} is out of range; give 1 or more")
    plan = read_plan(args.config)
    if not os.path.isdir(plan.data):
        raise PruneError(f"data: there is no folder {plan.data}; name the one with binarised data")
    out = os.path.normpath(args.out)
    with folder_lock(out, "methods") as lock:
        maker = Maker(plan, out, args.jobs, say, call, lock)
        try:
            failed = maker.run()
            made = [method for method in plan.methods.values() if maker.record(method)]
            rows = score(maker, made, say)
            if rows:
                write_rows(rows, os.path.join(out, "methods.json"))
                with open(os.path.join(out, "methods.md"), "w", encoding="utf-8") as f:
                    f.write(as_markdown(rows))
        except KeyboardInterrupt:
            raise PruneError(f"interrupted; the same command goes on in {out}") from None
        except OSError as error:
            raise PruneError(f"--out {out} cannot be written: {error.strerror or error}") from error
    if rows:
        print(as_text(rows))
        print(f"words/s: read one by one by 1 and by 32 texts, {rows[0]['threads']} CPU thread(s)")
        print(f"wrote {os.path.join(out, 'methods.md')}")
    if failed:
        raise PruneError(
            f"{len(failed)} of the methods failed; the same command tries them again. "
            f"The first: {failed[0]}"
        )
