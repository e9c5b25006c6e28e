"""The engine on packed files, against fairseq on the dense model, and CTranslate2 where it is.

Random models, beam 5, two threads or as many as there are, translations of ``WORDS`` words.
A process each: after a first sentence (or batch), the median of the others counts.
"""

import importlib.util
import statistics
import subprocess
import sys
import time

from .checkpoints import SUBSETS, folder_of, stored
from .decoding import WORDS
from .process import call

LSTM_GOALS = {
    (216, 0.8, 1): 7,
    (216, 0.9, 1): 12,
    (216, 0.95, 1): 18,
    (216, 0.9, 32): 5,
    (10, 0.9, 1): 10,
}
#: Translations of each word, and frequent words, of the shortlist: some 3,000 words a sentence.
SHORTLIST = (100, 1000)
#: Its types of numbers, and the goals against it by the size of batches.
CTRANSLATE2 = {"float32": {1: 2, 32: 1.2}, "int8": {1: 1.5, 32: 1}}


def rows(args):
    for million, sparsities in {216: (0.8, 0.9, 0.95), 10: (0.9,)}.items():
        for sparsity in sparsities:
            for values in ("exact", "int8") if (million, sparsity) == (216, 0.9) else ("exact",):
                yield from lstm(million, sparsity, values)
            if (million, sparsity) == (216, 0.9):
                yield shortlisted(million, sparsity, "int8")
    yield from transformer()


def by_turns(*calls):
    """What each call finds, the mean of two: first one after the other, then once more, so that
    what else the machine does meets all of them."""
    rounds = [[call(*words) for words in calls] for _ in range(2)]
    return [
        {key: statistics.mean(found[key] for found in same) for key in same[0]}
        for same in zip(*rounds)
    ]


def lstm(million, sparsity, values):
    file, folder = packed(million, sparsity, values), folder_of(million)
    found, dense = by_turns(
        ("engine:decode", folder, file, (1, 32)),
        ("decoding:decode", folder, stored(million, 0), "dense", (1, 32)),
    )
    what = f"{million} M, {100 * sparsity:g}%, {values}"
    for batch in (1, 32):
        mine, peer = found[str(batch)], dense[str(batch)]
        goal = LSTM_GOALS.get((million, sparsity, batch), "") if values == "exact" else ""
        yield (
            f"engine, {what}, batch {batch}: fairseq, dense",
            f"{mine:.2f} sent/s",
            f"{peer:.2f} sent/s",
            f"{mine / peer:.2f}",
            goal and f"at least {goal}",
        )
    seconds, peak = translate(file)
    goal = (million, sparsity, values) == (216, 0.9, "exact")
    yield (
        f"translate, {what}: peak memory",
        f"{peak:.0f} MB",
        f"{dense['peak_mb']:.0f} MB",
        f"{peak / dense['peak_mb']:.3f}",
        "at most 150 MB" if goal else "",
    )
    yield (
        f"translate, {what}: start to first translation",
        f"{seconds:.2f} s",
        "",
        "",
        "at most 1.5 s" if goal else "",
    )


def shortlisted(million, sparsity, values):
    file, folder = packed(million, sparsity, values, SHORTLIST), folder_of(million)
    found, dense = by_turns(
        ("engine:decode", folder, file, (1,), True),
        ("decoding:decode", folder, stored(million, 0), "dense", (1,)),
    )
    mine, peer = found["1"], dense["1"]
    return (
        f"engine, {million} M, {100 * sparsity:g}%, {values}, shortlist, batch 1: fairseq, dense",
        f"{mine:.2f} sent/s",
        f"{peer:.2f} sent/s",
        f"{mine / peer:.2f}",
        "at least 25",
    )


def transformer():
    file, folder, whole = packed("iwslt", 0.9, "exact"), folder_of("iwslt"), stored("iwslt", 0)
    calls = [
        ("engine:decode", folder, file, (1, 32)),
        ("decoding:decode", folder, whole, "dense", (1, 32)),
    ]
    kinds = list(CTRANSLATE2) if importlib.util.find_spec("ctranslate2") else []
    calls += [("engine:decode_ctranslate2", folder, whole, kind, (1, 32)) for kind in kinds]
    found, *peers = by_turns(*calls)
    if not kinds:
        print("CTranslate2 is not installed: pip install ctranslate2", file=sys.stderr)
    names = ["fairseq, dense", *(f"CTranslate2, dense, {kind}" for kind in kinds)]
    for name, kind, theirs in zip(names, [None, *kinds], peers):
        for batch in (1, 32):
            mine, peer = found[str(batch)], theirs[str(batch)]
            goal = CTRANSLATE2[kind][batch] if kind else None
            yield (
                f"engine, transformer_iwslt_de_en, 90%, batch {batch}: {name}",
                f"{mine:.2f} sent/s",
                f"{peer:.2f} sent/s",
                f"{mine / peer:.2f}",
                f"at least {goal}" if goal else "",
            )


def packed(million, sparsity, values, shortlist=None) -> str:
    return call("engine:pack", stored(million, sparsity), folder_of(million), values, shortlist)


def pack(checkpoint: str, folder: str, values: str, shortlist) -> str:
    from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
    from fairseq_prune.checkpoints.texts import TextOptions, find_texts
    from fairseq_prune.packed.dictionary import Dictionary

    target = f"{checkpoint[: -len('.pt')]}.{values}{'.shortlist' if shortlist else ''}.packed"
    found = find_texts(checkpoint, folder, TextOptions(bpe="none"))
    if shortlist is not None:
        shortlist = random_shortlist(len(Dictionary(found.texts["source"].raw)), *shortlist)
    pack_checkpoint(checkpoint, target, values, found.dictionaries, found.texts, shortlist)
    return target


def random_shortlist(words: int, translations: int, frequent: int):
    import numpy as np

    from fairseq_prune.packed.shortlist import Shortlist

    drawn = np.random.default_rng(0).integers(4, words, words * translations)
    return Shortlist(np.full(words, translations), drawn, np.arange(4, 4 + frequent))


def sentences(folder: str, batch: int):
    """Batches of lists of words, the first one to warm up."""
    subset = "few" if batch == 1 else "twice"
    with open(f"{folder}/{subset}.src-tgt.src") as f:
        lines = [line.split() for line in f]
    assert len(lines) == SUBSETS[subset]
    return [lines[k : k + batch] for k in range(0, len(lines), batch)]


def rate(translate_batch, batches) -> float:
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        translate_batch(batch)
        seconds.append((time.perf_counter() - started) / len(batch))
    return 1 / statistics.median(seconds[1:])


def decode(folder: str, file: str, batch_sizes, shortlist=False) -> dict:
    from fairseq_prune.engine.translator import SearchOptions, Translator

    translator = Translator(file)
    options = SearchOptions(min_len=WORDS, max_len_b=WORDS, shortlist=shortlist)

    def translate_batch(batch):
        found = translator.hypotheses(batch, False, options)
        assert all(len(h[0].tokens) == WORDS + 1 for h in found)

    return {size: rate(translate_batch, sentences(folder, size)) for size in batch_sizes}


def decode_ctranslate2(folder: str, checkpoint: str, kind: str, batch_sizes) -> dict:
    import torch
    from ctranslate2 import Translator
    from ctranslate2.converters import FairseqConverter

    model = f"{checkpoint}.{kind}"
    quantization = None if kind == "float32" else kind
    FairseqConverter(checkpoint, folder, source_lang="src", target_lang="tgt").convert(
        model, quantization=quantization, force=True
    )
    threads = torch.get_num_threads()
    translator = Translator(model, compute_type=kind, inter_threads=1, intra_threads=threads)

    def translate_batch(batch):
        found = translator.translate_batch(
            batch, beam_size=5, min_decoding_length=WORDS, max_decoding_length=WORDS
        )
        assert all(len(f.hypotheses[0]) == WORDS for f in found)

    return {size: rate(translate_batch, sentences(folder, size)) for size in batch_sizes}


def translate(file: str):
    """Seconds from the start of the command to the first translation, and its peak memory, MB."""
    code = (
        "import sys; sys.argv[1:] = ['translate', sys.argv[1], '--max-len-b', '20']; "
        "from fairseq_prune.cli.main import main; main(); "
        "from benchmarks.process import held_kib; print(held_kib('VmHWM'))"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, file], input=b"w1 w2 w3 w4 w5 w6\n", stdout=subprocess.PIPE
    )
    seconds = time.perf_counter() - started
    done.check_returncode()
    return seconds, int(done.stdout.split()[-1]) / 1e3
