"""Options of fairseq-generate in ``fairseq-prune compare`` and grids, against its own lines."""

import functools
import re
import shutil

import pytest
import torch
from commands import PLUGIN, lines, run, state_of

from fairseq_prune.analysis.generate_options import REFUSED, check_options, generate_config
from fairseq_prune.analysis.in_turn import translate_in_turn
from fairseq_prune.analysis.some_sentences import first
from fairseq_prune.analysis.translate import translate
from fairseq_prune.fairseq_fixes.reading import held
from fairseq_prune.pruning import PruneError

BEAM = "--beam 3 --max-len-b 12 --batch-size 7 "
TAKEN = {
    "length": "--lenpen 0.2 --min-len 4 --max-len-a 0.5 --max-len-b 7 --unnormalized",
    "words": "--no-repeat-ngram-size 1 --unkpen -20 --prefix-size 2 --nbest 2",
    "sampling": "--sampling --sampling-topp 0.9 --temperature 1.5 --nbest 3 --seed 5",
    "alignment": "--print-alignment --max-tokens 60 --batch-size 60",
    "source": "--match-source-len --remove-bpe --source-lang en --target-lang de",
    "siblings": "--diversity-rate 0.5 --model-overrides {'dropout':0.6} --retain-dropout",
    "part": "--gen-subset valid --distributed-world-size 2 --distributed-rank 1",
    "task": "--task pruned_translation --max-source-positions 8 "
    "--skip-invalid-size-inputs-valid-test",
}


@pytest.fixture(scope="module")
def checkpoint(retrained):
    return retrained[0] / "checkpoint_best.pt"


@pytest.fixture(scope="module")
def plain(data, checkpoint):
    return ours(data, checkpoint, BEAM.split())


def generate(data, path, words, **kwargs):
    task = [] if "--task" in words else ["--task", "pruned_translation"]
    words = ["--required-batch-size-multiple", "1", *words]
    options = ("--user-dir", PLUGIN, "--path", path, "--cpu", "--num-workers", "0", *task)
    return run("fairseq-generate", data, *options, *words, **kwargs)


def ours(data, path, words, more=("--cpu",)):
    return translate(generate_config(str(path), str(data), words, list(more)))


def are_the_same(found, output, best):
    """``found`` and what fairseq-generate printed, of several translations the best."""
    first = {}
    for line in output.splitlines():
        kind, _, rest = line.partition("\t")
        first.setdefault(kind, rest)
    assert found.texts == {n: first[f"D-{n}"].split("\t")[1] for n in lines(output, "D")}
    assert found.references == lines(output, "T")
    for n, score in found.scores.items():
        assert score / 0.6931471805599453 == pytest.approx(float(first[f"H-{n}"].split("\t")[0]))
    assert len(set(found.texts.values())) >= best


@pytest.mark.parametrize("name", list(TAKEN))
def test_what_is_taken_does_what_it_does_there(name, data, checkpoint, plain):
    words = (BEAM + TAKEN[name]).split()
    found = ours(data, checkpoint, words)
    are_the_same(found, generate(data, checkpoint, words), best=3)
    assert bool(found.left_out) == (name in ("part", "task"))
    assert found.texts != plain.texts or name in ("alignment", "source")


def test_in_turn_each_translates_as_alone(data, checkpoint, plain):
    def told(sentences, tokens):
        assert sum(sentences.values()) == wanted and all(
            tokens[k] >= n for k, n in sentences.items()
        )
        progress.append(sentences)
        return lambda finished: progress.append(len(finished))

    sampled = ours(data, checkpoint, (BEAM + TAKEN["sampling"]).split())
    some = {n: text for n, text in plain.texts.items() if n < 9}
    for words, choose, count, texts in (
        (BEAM + TAKEN["sampling"], None, 30, sampled.texts),
        (BEAM, functools.partial(first, most=9), 9, some),
    ):
        progress, wanted = [], count
        cfgs = [
            generate_config(str(checkpoint), str(data), words.split(), ["--cpu", *more])
            for more in ([], ["--prune-runtime", "sparse"])
        ]
        for found in translate_in_turn(cfgs, choose, told):
            assert found.texts == texts and found.seconds > 0 and not found.left_out
            assert found.references == {n: plain.references[n] for n in texts}
        assert progress[1:] == list(range(1, len(progress[0]) + 1))


def test_a_language_model_has_its_say(data, checkpoint, plain, text, language_model, tmp_path):
    both = tmp_path / "data"
    shutil.copytree(data, both)
    shutil.copy(text / "dict.txt", both)
    words = [*BEAM.split(), "--lm-path", str(language_model), "--lm-weight", "0.1"]
    found = ours(both, checkpoint, words)
    are_the_same(found, generate(both, checkpoint, words), best=1)
    assert found.scores != plain.scores


@pytest.fixture(scope="module")
def raw(data, tmp_path_factory):
    """The corpus as text, with a word that nobody knows in each source."""
    folder = tmp_path_factory.mktemp("raw")
    for language in ("en", "de"):
        lines_of = (data.parent / f"test.{language}").read_text().splitlines()
        lines_of = [line.replace("w1 ", "Zürich ") for line in lines_of]
        (folder / f"test.en-de.{language}").write_text("\n".join(lines_of) + "\n")
        shutil.copy(data / f"dict.{language}.txt", folder)
    return folder


def test_unknown_words_are_replaced(raw, checkpoint):
    words = [*BEAM.split(), "--dataset-impl", "raw", "--replace-unk", "--unkpen", "-20"]
    found = ours(raw, checkpoint, words)
    are_the_same(found, generate(raw, checkpoint, words), best=3)
    assert any("Zürich" in text for text in found.texts.values())


def test_weights_in_memory_are_decoded_as_a_file_of_them(data, checkpoint, plain, tmp_path):
    state = state_of(checkpoint)
    state["model"] = {n: w * 0.5 for n, w in state["model"].items()}
    words = (BEAM + TAKEN["sampling"]).split()
    with held(state) as path:
        found = ours(data, path, words)
    torch.save(state, str(tmp_path / "changed.pt"))
    assert found.texts == ours(data, tmp_path / "changed.pt", words).texts
    assert found.texts != plain.texts


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_is_not_taken_is_named_with_its_reason(name):
    flag = "--" + name.replace("_", "-")
    value = {"path": ["x"], "results_path": ["x"], "num_shards": ["2"], "shard_id": ["1"],
             "prune_runtime": ["dense"], "checkpoint_suffix": ["x"],
             "checkpoint_shard_count": ["1"]}  # fmt: skip
    with pytest.raises(PruneError, match=f"{flag} is not for this: {REFUSED[name][:20]}"):
        check_options(["--task", "pruned_translation", flag, *value.get(name, [])])


@pytest.mark.parametrize(
    "words, sentence",
    [
        ("--bean 5", "--bean 5: not options of fairseq-generate"),
        ("--scoring chrf", "--scoring chrf is not for this: BLEU is sacreBLEU's"),
        ("--sampling", "--sampling requires --nbest to be equal to --beam"),
        ("--replace-unk", "--replace-unk requires a raw text dataset"),
        ("--max-source-positions 6", "skip this example with --skip-invalid-size-inputs-valid"),
        ("--max-source-positions 1 --skip-invalid-size-inputs-valid-test", "no sentence of test"),
        ("--gen-subset nowhere", "nowhere"),
        ("--model-overrides [}", "generate: "),
    ],
)
def test_what_fairseq_cannot_do_is_one_sentence(words, sentence, data, checkpoint):
    with pytest.raises(PruneError, match=sentence.replace("(", r"\(")):
        ours(data, checkpoint, (BEAM + words).split())


def test_compare_says_how_many_are_left_out_and_samples_alike(data, checkpoint):
    words = f"{BEAM} {TAKEN['task']} {TAKEN['sampling']} --sacrebleu-tokenizer intl"
    said = run("fairseq-prune", "compare", checkpoint, data, "--runtimes", "dense,sparse",
               "--generate", words)  # fmt: skip
    sizes = [len(line.split()) for line in (data.parent / "test.en").read_text().splitlines()]
    long = sum(size > 7 for size in sizes)
    assert long and f"{30 - long} sentences ({long} left out)" in said and "tok:intl" in said
    assert re.search(rf"^sparse .* +{30 - long} +0 +0$", said, re.MULTILINE)
    words = f"{BEAM} --max-source-positions 8"
    said = run("fairseq-prune", "compare", checkpoint, data, "--generate", words, ok=1)
    assert "--skip-invalid-size-inputs-valid-test" in said.splitlines()[-1]
    assert "Traceback" not in said
