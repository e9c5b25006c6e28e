"""Ways to decode with one model, compared: speed, BLEU, and how many translations differ."""

import functools
from dataclasses import dataclass
from typing import List, Optional

from ..checkpoints.reading import read_checkpoint
from ..loading.task_of import set_up
from ..pruning import PruneError
from ..runtime.convert import check_runtime
from .bleu import bleu
from .generate_options import generate_config, joins_pieces, pieces_of
from .in_turn import Progress, translate_in_turn
from .some_sentences import first as first_of
from .translate import Translations

#: Translations that differ are a tie where their scores (log-probability over length, as in
#: fairseq's H lines) do not differ by more: sums in another order differ by about 1e-6.
TIE = 1e-4


@dataclass
class Decoded:
    """What came of decoding a subset.

    Attributes:
        left_out: sentences of the subset that were not translated.
        sentences_per_second: in beam search, without the choice that ``auto`` makes first.
        identical, ties, different: sentences, beside the first runtime's.
    """

    runtime: str
    sentences: int
    left_out: int
    sentences_per_second: float
    bleu: float
    signature: str
    identical: int
    ties: int
    different: int


def compare(
    path: str,
    data: str,
    subset: str,
    words: List[str],
    runtimes: List[str],
    sentences: Optional[int],
    progress: Progress,
) -> List[Decoded]:
    """Decode with each of ``runtimes``, batch by batch in turn.

    Args:
        words: options of fairseq-generate. Without ``--remove-bpe`` pieces of words are joined
            as the target dictionary shows they were cut.
        sentences: how many of the subset, from its beginning; None: all.
    Raises:
        PruneError: the file is damaged, the data are not there or have other dictionaries, an
            option is not taken, or fairseq cannot do it.
    """
    for runtime in runtimes:
        check_runtime(runtime, flag="--runtimes")
    if sentences is not None and sentences < 1:
        raise PruneError(f"--sentences {sentences}: give how many to translate, at least 1")
    read_checkpoint(path)  # says what is wrong with it
    cfgs = []
    for runtime in runtimes:
        more = ["--cpu", "--gen-subset", subset]
        if runtime != "dense":
            more += ["--prune-runtime", runtime]
        cfgs.append(generate_config(path, data, words, more))
    task = set_up(cfgs[0], path)  # says whether the data can be its
    if not joins_pieces(words):
        for cfg in cfgs:
            cfg.common_eval.post_process = pieces_of(task)
    choose = None if sentences is None else functools.partial(first_of, most=sentences)
    translations = translate_in_turn(cfgs, choose, progress)
    return [
        _beside(translations[0], one, runtime, *bleu(one, cfgs[0].scoring))
        for one, runtime in zip(translations, runtimes)
    ]


def _beside(
    first: Translations, translations: Translations, runtime: str, score: float, signature: str
):
    same = sum(text == first.texts[n] for n, text in translations.texts.items())
    near = sum(
        text != first.texts[n] and abs(translations.scores[n] - first.scores[n]) <= TIE
        for n, text in translations.texts.items()
    )
    count = len(translations.texts)
    return Decoded(
        runtime,
        count,
        translations.left_out,
        count / translations.seconds,
        score,
        signature,
        same,
        near,
        count - same - near,
    )
