"""``fairseq-prune translate``: what fairseq-interactive translates, without fairseq and torch."""

import json
import re
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from commands import PLUGIN, run, state_of
from translating import ENV, TRANSLATE, translate

import fairseq_prune.engine
from fairseq_prune.engine.library import find_library
from fairseq_prune.pruning import PruneError

pytestmark = pytest.mark.skipif(find_library() is None, reason="there was no C++ compiler")


SEARCHES = [
    "--beam 3 --max-len-b 12",
    "--beam 4 --nbest 3 --lenpen 0.4 --max-len-a 1.2 --max-len-b 3",
    "--beam 1 --max-len-b 8 --min-len 4 --unkpen -2",
    "--beam 2 --max-len-b 9 --unnormalized --unkpen 1000 --temperature 1.5",
    "--beam 5 --max-len-b 10 --unkpen -1000 --replace-unk",
]


def same(theirs, ours):
    return theirs.strip() == ours.strip()


def same_but_copies(theirs, ours):
    """Where fairseq copies a word that its dictionary has not, it has <unk>, and <eos> where there
    are no words; here it is the word itself, and <unk>."""
    pattern = re.escape(theirs.strip()).replace("<unk>", ".+?").replace("<eos>", "<unk>")
    return re.fullmatch(pattern, ours.strip())


@pytest.mark.parametrize("search", SEARCHES)
def test_as_fairseq_interactive(search, corpus, model, source):
    checkpoint, packed = model
    output = run(
        "fairseq-interactive", corpus / "data", "--user-dir", PLUGIN, "--path", checkpoint,
        "--task", "pruned_translation", "--bpe", "sentencepiece", "--sentencepiece-model",
        corpus / "spm.model", "--buffer-size", "64", "--cpu",
        # of --max-len-a, a batch has the longest line's there, and each line its own here
        "--batch-size", "1" if "max-len-a" in search else "64",
        *search.split(), stdin="".join(f"{line}\n" for line in source),
    )  # fmt: skip
    # fairseq's own way of showing results has its lines in its order
    expected = {}
    for line in output.splitlines():
        if line.startswith("D-"):
            name, _, words = line.split("\t")
            expected.setdefault(int(name[2:]), []).append(words)
    stdin = "".join(f"{line}\n" for line in source).encode()
    nbest = int(search.split("--nbest ")[1].split()[0]) if "nbest" in search else 1
    for size in (64, 7):
        found, _ = translate(packed, *search.split(), "--batch-size", size, stdin=stdin)
        found = found.decode().split("\n")[:-1]
        assert len(found) == nbest * len(source)
        for k, theirs in expected.items():
            ours = found[nbest * k : nbest * (k + 1)]
            check = same_but_copies if "--replace-unk" in search else same
            assert all(map(check, theirs, ours)) and len(theirs) == len(ours), (source[k], ours)
    assert len(expected) == len(source) and len({e for es in expected.values() for e in es}) > 3


def test_ends_of_lines_and_bytes_that_are_no_text(model, tmp_path):
    _, packed = model
    options = ("--max-len-b", "6")
    plain, _ = translate(packed, *options, stdin=b"Anna says that\n\nBen\n")
    assert plain.count(b"\n") == 3
    for other in (b"Anna says that\r\n\r\nBen\r\n", b"Anna says that\n\nBen"):
        assert translate(packed, *options, stdin=other)[0] == plain
        (tmp_path / "in.txt").write_bytes(other)
        assert translate(packed, tmp_path / "in.txt", *options, stdin=b"Eve\n")[0] == plain
    assert translate(packed, *options)[0] == b""
    found, _ = translate(packed, *options, stdin=b"\xff\xfe Ben\n\x80\n\xed\xa0\x80\n")
    assert found.count(b"\n") == 3 and found.decode()


def test_who_reads_no_more_is_no_mistake(model):
    words = [sys.executable, "-c", TRANSLATE, model[1], "--max-len-b", "4", "--batch-size", "2"]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV
    )
    process.stdin.write(b"Anna\n" * 2)
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    try:
        process.stdin.write(b"Ben\n" * 4000)
        process.stdin.close()
    except BrokenPipeError:
        process.stdin = None
    assert process.wait(60) == 0
    assert not process.stderr.read()


def test_compare_joins_the_pieces_that_the_dictionary_shows(corpus, model):
    """Without being told; BLEU of pieces is another."""
    scores = {}
    for more in ("", " --remove-bpe sentencepiece", " --remove-bpe @@"):
        output = run(
            "fairseq-prune", "compare", model[1], corpus / "data", "--subset", "valid", "--json",
            "--runtimes", "dense", "--generate", f"--beam 2 --max-len-b 12{more}",
        )  # fmt: skip
        scores[more] = json.loads(output[output.index("[\n") :])[0]["bleu"]
    told, pieces = list(scores.values())[1:]
    assert scores[""] == told != pieces


def test_interrupted(model):
    words = [sys.executable, "-c", TRANSLATE, model[1], "--max-len-b", "4", "--batch-size", "1"]
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENV,
        # which is ignored in what a script has started with &
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    process.stdin.write(b"Anna\n")
    process.stdin.flush()
    assert process.stdout.readline()  # given out at once
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert process.stderr.read().decode().strip().endswith("interrupted")
    process.stdin.close()


def test_mistakes(model, corpus, language_model, tmp_path):
    checkpoint, packed = model
    run("fairseq-prune", "pack", language_model, tmp_path / "lm.packed")
    run("fairseq-prune", "pack", checkpoint, tmp_path / "without.packed", "--no-texts",
        "--data", corpus / "data")  # fmt: skip
    other = state_of(checkpoint)
    other["cfg"]["model"].update(arch="fconv", _name="fconv")
    torch.save(other, tmp_path / "other.pt")
    run("fairseq-prune", "pack", tmp_path / "other.pt", tmp_path / "other.packed", "--data",
        corpus / "data", "--bpe", "none")  # fmt: skip
    (tmp_path / "cut.packed").write_bytes(packed.read_bytes()[:-7])
    for args, said in (
        ([tmp_path / "none.packed"], "cannot read"),
        ([tmp_path], "cannot read"),
        ([packed, tmp_path / "none.txt"], "none.txt cannot be read: No such file"),
        ([packed, tmp_path], "cannot be read: Is a directory"),
        ([checkpoint], "cannot be read as a packed model"),
        ([tmp_path / "cut.packed"], "cannot be read as a packed model"),
        ([tmp_path / "lm.packed"], "lm.packed is a language model, which does not translate"),
        ([tmp_path / "without.packed"], "was packed without its dictionaries"),
        ([tmp_path / "other.packed"], "the engine does not know the architecture fconv"),
        ([packed, "--beam", "0"], "--beam 0: give 1 or more"),
        ([packed, "--beam", "2", "--nbest", "3"], "--nbest 3 is more than --beam 2"),
        ([packed, "--lenpen", "nan"], "--lenpen nan"),
        ([packed, "--max-len-a", "inf"], "--max-len-a inf"),
        ([packed, "--max-len-b", "99999999999"], "--max-len-b"),
        ([packed, "--temperature", "0"], "--temperature 0"),
        ([packed, "--min-len", "9", "--max-len-b", "3"], "--min-len"),
        ([packed, "--batch-size", "0"], "--batch-size 0"),
        ([packed, "--threads", "0"], "--threads 0"),
    ):
        output, errors = translate(*args, stdin=b"Anna\n", ok=1)
        assert said in errors and errors.count("\n") == 1 and not output
    for args, said in ((["--beam", "x"], "--beam"), (["--bem", "3"], "--bem")):
        assert said in translate(packed, *args, ok=2)[1]


def test_a_line_longer_than_the_model_takes(model):
    line = b"Anna " * 3000
    output, errors = translate(model[1], "--batch-size", "1", stdin=b"Ben\n" + line, ok=1)
    assert output.count(b"\n") == 1 and "cut it into shorter ones" in errors


def test_no_compiled_engine(model, tmp_path):
    """The package without its libraries."""
    shutil.copytree(
        PLUGIN, tmp_path / "fairseq_prune",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )  # fmt: skip
    words = [sys.executable, "-m", "fairseq_prune.cli.main", "translate", str(model[1])]
    env = {**ENV, "PYTHONPATH": str(tmp_path)}
    found = subprocess.run(words, input=b"Anna\n", capture_output=True, env=env, cwd=tmp_path)
    assert found.returncode == 1 and found.stderr.count(b"\n") == 1
    assert b"the engine is not compiled here; install a C++ compiler" in found.stderr


def test_translator(model, source):
    translator = fairseq_prune.engine.Translator(str(model[1]), threads=1)
    found, _ = translate(model[1], "--beam", "3", stdin="\n".join(source[:9]).encode())
    assert "".join(f"{t}\n" for t in translator.translate(source[:9], beam=3)) == found.decode()
    assert translator.translate([]) == []
    with pytest.raises(TypeError, match="bem"):
        translator.translate(["Anna"], bem=3)
    with pytest.raises(TypeError, match="a list of lines"):
        translator.translate("Anna")
    with pytest.raises(PruneError, match="^beam 0"):
        translator.translate(["Anna"], beam=0)
    with pytest.raises(AttributeError):
        _ = fairseq_prune.engine.Translators
    words = "import fairseq_prune.engine, sys; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", words], check=True, env=ENV)


def test_several_translations_in_python(model):
    translator = fairseq_prune.engine.Translator(str(model[1]))
    with pytest.raises(PruneError, match="one translation a line"):
        translator.translate(["Anna"], nbest=2)
    options = fairseq_prune.engine.SearchOptions(nbest=2)
    assert [len(found) for found in translator.nbest(["Anna", "Ben"], False, options)] == [2, 2]
