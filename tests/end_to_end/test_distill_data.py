"""fairseq-prune distill: data folders of a teacher's translations, against fairseq-generate's."""

import filecmp
import json
import os
import re
import shutil

import pytest
import sacrebleu
from commands import DECODE, PLUGIN, lines, run, train
from fairseq.data import Dictionary
from fairseq.data.data_utils import load_indexed_dataset

from fairseq_prune.sequence.distill import WORK

#: Batches of few sentences, so that there are several shards.
SHORT = ("--beam", "4", "--max-len-b", "12", "--batch-size", "30")
OURS = (*SHORT, "--runtime", "dense")
DENSE = "--task translation --optimizer sgd --lr 0.5".split()
TRANSFORMER = """
    --task translation --arch transformer --encoder-embed-dim 16 --encoder-ffn-embed-dim 16
    --encoder-layers 1 --encoder-attention-heads 2 --decoder-embed-dim 16 --decoder-ffn-embed-dim 16
    --decoder-layers 1 --decoder-attention-heads 2 --optimizer sgd --lr 0.1 --max-tokens 400 --cpu
    --num-workers 0 --no-epoch-checkpoints
""".split()


def distill(teacher, data, out, *args, **kwargs):
    return run("fairseq-prune", "distill", teacher, data, "--out", out, *args, **kwargs)


def generate(data, path, *args):
    output = run(
        "fairseq-generate", data, "--user-dir", PLUGIN, "--path", path, "--gen-subset", "train",
        *DECODE, *SHORT, *args,
    )  # fmt: skip
    return output


def preprocess(data, sources, targets, folder):
    """What fairseq-preprocess makes of texts as a training set, with the dictionaries of data."""
    folder.mkdir()
    (folder / "text.en").write_text("\n".join(sources) + "\n")
    (folder / "text.de").write_text("\n".join(targets) + "\n")
    run(
        "fairseq-preprocess", "--source-lang", "en", "--target-lang", "de", "--srcdict",
        data / "dict.en.txt", "--tgtdict", data / "dict.de.txt", "--trainpref", folder / "text",
        "--destdir", folder,
    )  # fmt: skip
    return folder


def same_files(a, b, *patterns):
    for pattern in patterns:
        names = [path.name for path in a.glob(pattern)]
        assert names
        assert filecmp.cmpfiles(str(a), str(b), names, shallow=False) == (names, [], [])


def corpus(data, language):
    return (data.parent / f"train.{language}").read_text().splitlines()


@pytest.fixture(scope="module")
def by_beam(data, dense, tmp_path_factory):
    folder = tmp_path_factory.mktemp("distilled") / "out"
    return folder, distill(dense, data, folder, *OURS)


@pytest.fixture(scope="module")
def nbest(data, dense):
    return generate(data, dense, "--nbest", "4")


@pytest.fixture(scope="module")
def transformer(data, tmp_path_factory):
    """That reads no long sentences."""
    folder = tmp_path_factory.mktemp("transformer")
    short = ("--max-source-positions", "8", "--skip-invalid-size-inputs-valid-test")
    train(data, folder, "--max-update", "2", *short, base=TRANSFORMER)
    return folder / "checkpoint_last.pt"


def test_the_best_of_the_beam(data, by_beam, nbest, tmp_path):
    """As fairseq-preprocess makes it of fairseq-generate's hypotheses, byte by byte."""
    best = {}
    for number, text in re.findall(r"^H-(\d+)\t\S+\t(.*)$", nbest, re.MULTILINE):
        best.setdefault(int(number), text)
    texts = [best[number] for number in range(300)]
    assert len(set(texts)) > 20 and texts != corpus(data, "de")
    made = preprocess(data, corpus(data, "en"), texts, tmp_path / "made")
    folder, said = by_beam
    same_files(made, folder, "train.*", "dict.*")
    same_files(data, folder, "valid.*", "test.*", "dict.*")
    assert "300 of 300 sentences translated\n" in said
    assert re.search(r"\d+ of 300 sentences, [\d.]+ a second, about \d+ s left\n", said)
    assert {path.name for path in folder.iterdir()} == {
        ".lock", "distilled.json", *(path.name for path in data.iterdir() if "log" not in path.name)
    }  # fmt: skip


def test_the_nearest_to_the_reference(data, dense, nbest, tmp_path):
    references, chosen = lines(nbest, "T"), {}
    for number, text in re.findall(r"^H-(\d+)\t\S+\t(.*)$", nbest, re.MULTILINE):
        score = sacrebleu.sentence_bleu(text, [references[int(number)]], tokenize="none").score
        chosen.setdefault(int(number), []).append((score, text))
    texts = [max(chosen[number], key=lambda found: found[0])[1] for number in range(300)]
    assert texts != [chosen[number][0][1] for number in range(300)]
    made = preprocess(data, corpus(data, "en"), texts, tmp_path / "made")
    distill(dense, data, tmp_path / "out", *OURS, "--by", "reference")
    same_files(made, tmp_path / "out", "train.*")


def test_killed_and_started_again_it_ends_as_one_that_was_not(data, dense, by_beam, tmp_path):
    out = tmp_path / "out"
    distill(dense, data, out, *OURS, prepare=("kill", "at", "shard", "2"), ok=-9)
    assert [name for name in os.listdir(str(out / WORK)) if name.endswith(".npz")]
    said = distill(dense, data, out, *OURS, "--jobs", "2",
                   prepare=("kill", "at", "copy", "3"), ok=-9)  # fmt: skip
    # nobody could train on this
    assert not (out / "train.en-de.en.idx").exists()
    said = distill(dense, data, out, *OURS)
    assert "300 of 300 sentences translated\n" in said
    same_files(by_beam[0], out, "*.en-de.*", "dict.*", "distilled.json")
    assert not list(out.glob(".fairseq_prune_*"))
    said = distill(dense, data, out, *OURS)
    assert f"{out} is finished already" in said and "300 of 300" in said


def test_told_to_end(data, dense, tmp_path):
    said = distill(dense, data, tmp_path / "out", *OURS,
                   prepare=("kill", "at", "shard", "2", 15), ok=143)  # fmt: skip
    assert f"the same command goes on in {tmp_path / 'out'}" in said


def test_what_auto_has_chosen_stays(data, dense, tmp_path):
    """Also with several sets, of a packed teacher, by several processes."""
    run("fairseq-prune", "pack", dense, tmp_path / "t.packed", "--data", data)
    both = tmp_path / "both"
    shutil.copytree(str(data), str(both))
    for path in data.glob("test.*"):
        shutil.copy(str(path), str(both / path.name.replace("test", "train1")))
    counts = []
    for out, jobs in (("one", 2), ("other", 1)):
        words = (tmp_path / "t.packed", both, tmp_path / out, *SHORT, "--keep-reference", "--json")
        if out == "other":  # begun, with what the other has chosen
            record = json.loads((tmp_path / "one" / "distilled.json").read_text())
            (tmp_path / out).mkdir()
            record["result"] = None
            (tmp_path / out / "distilled.json").write_text(json.dumps(record))
        said = distill(*words, "--jobs", jobs)
        counts.append(json.loads(said[said.index("{") :]))
    assert set(record["kinds"].values()) <= {"dense", "sparse", "int8"} and record["kinds"]
    assert counts[0] == counts[1] and counts[0]["translated"] == 330
    same_files(tmp_path / "one", tmp_path / "other", "*.en-de.*")
    for old, new in (("train", "train2"), ("train1", "train3")):
        for end in ("bin", "idx"):
            a, b = (tmp_path / "one" / f"{name}.en-de.en.{end}" for name in (old, new))
            assert a.read_bytes() == b.read_bytes()
        same_files(both, tmp_path / "one", f"{old}.en-de.*")
    assert (tmp_path / "one/train3.en-de.de.bin").exists()
    output = train(tmp_path / "one", tmp_path / "run", *DENSE, "--max-update", "1", "--no-save")
    assert "train3 en-de 30 examples" in output


def test_fairseq_trains_on_it(by_beam, tmp_path):
    output = train(by_beam[0], tmp_path, *DENSE, "--max-update", "2", "--no-save")
    assert "train en-de 300 examples" in output and "train1" not in output


def test_long_sentences_keep_their_reference(data, transformer, tmp_path):
    """Of a stock transformer as the teacher."""
    output = generate(data, transformer, "--skip-invalid-size-inputs-valid-test")
    found, texts = lines(output, "H"), corpus(data, "de")
    assert 30 < len(found) < 270
    said = distill(transformer, data, tmp_path / "out", *OURS)
    assert f"{len(found)} of 300 sentences translated; {300 - len(found)} were too long" in said
    words = Dictionary.load(str(data / "dict.de.txt"))
    written = load_indexed_dataset(str(tmp_path / "out" / "train.en-de.de"), words)
    assert [words.string(written[number]) for number in range(300)] == [
        found.get(number, text) for number, text in enumerate(texts)
    ]
    same_files(data, tmp_path / "out", "train.en-de.en.*")


def refused(*args, **kwargs):
    said = distill(*args, ok=1, **kwargs)
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if "error: " in line]
    return line


def test_mistakes(data, dense, text, language_model, by_beam, tmp_path):
    out = tmp_path / "out"
    for words, sentence in (
        ((dense, tmp_path / "nowhere", out), f"DATA {tmp_path}/nowhere: there is no such folder"),
        ((tmp_path / "no.pt", data, out), "no.pt cannot be read: No such file"),
        ((dense, data, out, "--subset", "dev"), "has no binarised dev set to translate from en"),
        ((dense, data, data), f"--out {data} is DATA itself"),
        ((dense, data, data.parent), "holds other files, and no distilled.json"),
        ((language_model, data, out), "is a language model, which translates nothing"),
        ((dense, data, out, "--by", "chance"), "--by chance: choose one of beam, reference"),
        ((dense, data, out, "--beam", "0"), "--beam 0 is out of range"),
        ((dense, data, out, "--max-len-b", "0"), "leave no room for a word"),
        ((dense, data, out, "--max-tokens", "5"), "--max-tokens 5 is too few for a sentence"),
    ):
        assert sentence in refused(*words)
    assert not out.exists()
    # what there is of other options
    for words, begun in (
        (("--beam", "3"), "--beam 4, and now there is --beam 3"),
        (("--keep-reference",), "no --keep-reference, and now there is --keep-reference"),
    ):
        said = refused(dense, data, by_beam[0], *OURS, *words)
        assert f"--out {by_beam[0]} was begun with {begun}; give the same, or another" in said
    said = refused(language_model, data, by_beam[0], *OURS)
    assert f"was begun with another CKPT, {dense}" in said


def test_other_dictionaries(data, dense, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(str(data), str(other))
    first, second, *rest = (other / "dict.de.txt").read_text().splitlines(True)
    (other / "dict.de.txt").write_text("".join([second, first, *rest]))
    said = refused(dense, other, tmp_path / "out")
    assert f"{dense} was trained with another target dictionary than {other} has" in said
    assert not (tmp_path / "out").exists()
