"""``fairseq-prune score``: a packed language model scores text, without fairseq and torch."""

import math

from ..engine.language_model import LanguageModel, Score
from ..errors import PruneError
from .lines import add_reading, batch_size, batches, lines_in_and_out
from .say import say, say_json


def add_to(verbs) -> None:
    verb = verbs.add_parser(
        "score",
        description="Print the perplexity that a packed language model has of the lines of TEXT. "
        "Each line is on its own, after </s>; its own </s> at the end counts as a "
        "word: fairseq-eval-lm --sample-break-mode eos says the same of the unpacked model. The "
        "file has all that is needed (pack it with its dictionary); neither fairseq nor torch is "
        "imported.",
    )
    verb.add_argument("model", metavar="PACKED", help="file of fairseq-prune pack or compress")
    add_reading(verb)
    what = verb.add_mutually_exclusive_group()
    what.add_argument(
        "--lines",
        action="store_true",
        help="print instead of each line its log-probability (base 2) and number of words, the "
        "end included, with a tab between",
    )
    what.add_argument(
        "--next",
        type=int,
        metavar="N",
        help="print instead the N most probable words after each line, a word and its probability "
        "a line",
    )
    what.add_argument(
        "--tokens-per-sample",
        type=int,
        metavar="N",
        help="cut the text into blocks of N words, ends of lines included, instead of lines, as "
        "fairseq-eval-lm does by default; a block is read without what came before but its last "
        "word",
    )
    verb.add_argument("--json", action="store_true", help="print the perplexity as JSON")
    verb.set_defaults(run=run_score)


def run_score(args) -> None:
    size = batch_size(args)
    if args.json and (args.lines or args.next is not None):
        raise PruneError("--json is for the perplexity; leave it out, or --lines and --next")
    model = LanguageModel(args.model, args.threads)
    with lines_in_and_out(args.text) as (source, target):
        if not args.lines and args.next is None:
            score = model.score(source, args.tokens_per_sample, size)
        else:
            for batch in batches(source, size):
                lines = _of_lines(model, batch) if args.lines else _next(model, batch, args.next)
                target.write("".join(f"{line}\n" for line in lines))
                target.flush()
            return
    _say_perplexity(score, args.json)


def _of_lines(model: LanguageModel, lines):
    for scores in model.scores(lines):
        yield f"{scores.sum(dtype='float64') / math.log(2):.4f}\t{scores.size}"


def _next(model: LanguageModel, lines, count: int):
    for words in model.next_words_of_all(lines, count):
        yield from (f"{word}\t{probability:.4g}" for word, probability in words)


def _say_perplexity(score: Score, as_json: bool) -> None:
    if as_json:
        say_json({"loss": score.loss, "perplexity": score.perplexity, "words": score.words})
        return
    say(
        f"Loss (base 2): {score.loss:.4f}, Perplexity: {score.perplexity:.2f} "
        f"({score.words:,} words, ends of lines included)"
    )
