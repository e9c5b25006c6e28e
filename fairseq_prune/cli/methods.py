"""``fairseq-prune methods``: methods to compress a language model, made and compared."""

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from typing import List

from ..checkpoints.writing import write_text
from ..errors import PruneError, options_begin_with
from ..folder_lock import folder_lock
from .choice import choice_of
from .factorize import asked_factorization
from .grid import add_run
from .quiet import quiet_libraries
from .say import say, say_progress
from .which_weights import check_selection


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "methods",
        description="Make the models that CONFIG asks for: trained, pruned, retrained, factorized, "
        "quantized, or several of these; pack each; print its parameters, bytes, perplexity, and "
        "the words a second that it reads on the CPU. DIR/methods.json and DIR/methods.md get the "
        "same. Interrupted, the same command goes on where it was.",
    )
    add_run(verb, "configs/methods")
    verb.set_defaults(run=run_methods)


def parse(words: List[str], more: bool = False):
    """The options of ``fairseq-prune *words``.

    Args:
        more: whether it may have options that it does not know.
    Raises:
        PruneError: they are wrong.
    """
    from .main import build_parser

    said = io.StringIO()
    parser = build_parser(words)
    try:
        with redirect_stdout(said), redirect_stderr(said):
            return parser.parse_known_args(words)[0] if more else parser.parse_args(words)
    except SystemExit:
        raise PruneError(said.getvalue().strip().split("\n")[-1]) from None


@options_begin_with("--")
def check(verb: str, words: List[str], training: bool) -> None:
    """As ``experiments.methods.read.Check``."""
    args = parse([verb, "IN", "OUT", *words], more=training)
    if verb == "factorize":
        asked_factorization(args).check()
    else:
        check_selection(args, joined=training)
        choice_of(args)


@options_begin_with("--")
def call(command: List[str]) -> None:
    """Carry out ``fairseq-prune VERB ...`` in this process, without what it says.

    Raises:
        PruneError: as the verb does, or its options are wrong.
    """
    args = parse(command[1:])
    with redirect_stdout(io.StringIO()):
        args.run(args)


def run_methods(args) -> None:
    quiet_libraries()
    from ..experiments.methods.make import MethodMaker
    from ..experiments.methods.read import read_plan
    from ..experiments.methods.score import check_data, score
    from ..experiments.methods.table import about_speeds, as_markdown, as_text

    if args.jobs < 1:
        raise PruneError(f"--jobs {args.jobs} is out of range; give 1 or more")
    plan = read_plan(args.config, check)
    check_data(plan.data)
    out = os.path.normpath(args.out)
    with folder_lock(out, "methods") as lock:
        maker = MethodMaker(plan, out, args.jobs, say_progress, call, lock)
        try:
            failed = maker.run()
            made = [method for method in plan.methods.values() if maker.record(method)]
            rows, not_scored = score(maker, made, say_progress)
            failed += not_scored
            if rows:
                write_text(os.path.join(out, "methods.json"), json.dumps(rows, indent=1))
                write_text(os.path.join(out, "methods.md"), as_markdown(rows))
        except OSError as error:
            raise PruneError(f"--out {out} cannot be written: {error.strerror or error}") from error
    if rows:
        say(*as_text(rows).split("\n"), "", about_speeds(rows))
        say(f"wrote {os.path.join(out, 'methods.md')}")
    if failed:
        missing = [name for name in plan.methods if name not in {row["method"] for row in rows}]
        raise PruneError(
            f"{'; '.join(missing)}: failed, or came of what failed; the same command tries again. "
            f"The first to fail: {failed[0]}"
        )
