"""The commands of the README and docs/ do what they say, on files under the names that they give.

compress plans, iterate and fairseq-train do an update a training, of a model of the tests' size.
What grid and methods do is in their files (tests/experiments/test_grid_file.py).
"""

import re
import shlex
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from commands import FORKED, PLUGIN, REPO, run, server, state_of

from fairseq_prune.checkpoints.weights import find_record

FILES = ("grid", "methods")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
COMMAND = re.compile(r"fairseq-(prune|train|generate|eval-lm) ")
#: What paths in them begin with.
FILE = re.compile(
    r"(dense|retrained|lm|small|runs|data-bin)/|(checkpoint_best|pruned|PRUNED|low_rank|model)\.p|"
    r"(report|code|DATA|JOINED|in\.txt)$"
)
#: What makes their models those of the tests.
SMALLER = [
    (r"pruned_lstm_nmt(?= )", "pruned_lstm_nmt_tiny"),
    (r"pruned_lstm_lm_small", "pruned_lstm_lm_tiny"),
    (r"(--hidden-size) \d+", r"\1 32"),
    (r"(--[\w-]*-rank) \d+", r"\1 16"),
    (r"--save-dir \S+", ""),  # what is there is looked at by other commands
    (r"DATA (?=.*share-all-embeddings)", "JOINED "),
    (
        r"transformer_iwslt_de_en",
        r"\g<0> --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 16 "
        r"--decoder-embed-dim 16",
    ),
    # a user's own options
    (
        r"\.\.\.",
        "--task pruned_translation --arch pruned_lstm_nmt_tiny --optimizer pruned_adam --lr 0.001 "
        "--max-tokens 400",
    ),
]


def blocks(page: Path):
    """The fences of a page: their kinds, and what is in them."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def commands():
    """Page -> its lines with a command but for those of files, joined where they go on."""
    pages = defaultdict(list)
    for page in [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]:
        for kind, block in blocks(page):
            for line in block.replace("\\\n", " ").splitlines() if kind in ("", "sh") else ():
                line = line.split("    # ")[0].strip()
                if not COMMAND.search(line):
                    continue
                verb = line.split("fairseq-prune ")[-1].split()[0]
                if verb not in FILES and not verb.startswith("-"):
                    pages[page.name].append(line)
    return pages


PAGES = commands()


@pytest.fixture(scope="module")
def files(data, dense, retrained, language_model, text, corpus, tmp_path_factory):
    """A folder with models and data under the names of the docs."""
    folder = tmp_path_factory.mktemp("docs")
    pruned = Path(retrained[0]) / "checkpoint_best.pt"
    for name, source in {
        "checkpoint_best.pt": pruned, "dense/checkpoint_best.pt": dense,
        "retrained/checkpoint_best.pt": pruned, "small/checkpoint_best.pt": pruned,
        "lm/checkpoint_best.pt": language_model,
        "runs/scores/seed1/dense/checkpoint_best.pt": dense,
        "runs/compress/seed1/dense/checkpoint_best.pt": dense,
        "runs/reproduction/seed1/dense/checkpoint_best.pt": dense,
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(source)
    for name in ("DATA", "data-bin/multi30k", "data-bin/wmt14_en_de", "data-bin/ptb"):
        place = folder / name
        shutil.copytree(str(text if name.endswith("ptb") else data), str(place))
        (place / "text").mkdir()
        for file in ("test.en", "test.txt"):
            shutil.copy(str(data.parent / "test.en"), str(place / "text" / file))
    (folder / "JOINED").symlink_to(corpus / "data")
    shutil.copy(str(data.parent / "test.en"), str(folder / "in.txt"))
    (folder / "code").write_text("#version: 0.2\na n</w>\n")  # of subword-nmt
    run("fairseq-prune", "pack", pruned, folder / "model.packed")
    for name in ("small", "runs/compress/seed1/90"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(str(folder / "model.packed"), str(folder / name / "model.packed"))
    return folder


def test_there_are_commands():
    lines = [line for page in PAGES.values() for line in page]
    assert {COMMAND.search(line).group(1) for line in lines} == {
        "prune", "train", "generate", "eval-lm"
    }  # fmt: skip
    verbs = {x.split("fairseq-prune ")[1].split()[0] for x in lines if "fairseq-prune " in x}
    assert verbs >= set("prune inspect pack unpack translate score compare report".split())


@pytest.mark.parametrize("page", PAGES)
def test_commands_of(page, files, tmp_path):
    if "language_models.md" in page:  # whose model is another
        run("fairseq-prune", "pack", files / "lm/checkpoint_best.pt", files / "small/model.packed")
    for number, line in enumerate(PAGES[page]):
        command = COMMAND.search(line)
        before, after = line[: command.start()], line[command.end() :]
        for long, small in SMALLER:
            after = re.sub(long, small, after)
        verb, *words = shlex.split(after)
        if verb == "compress":  # of a user's own model, which is dense
            first = words[0] if "/" in words[0] else f"dense/{words[0]}"
            words = ["--dry-run", "--cpu", first, *words[1:]]
        made = tmp_path / str(number)
        if verb in ("compress", "distill", "iterate"):
            words[words.index("--out") + 1] = str(made)
        words = [verb, *(str(files / w) if FILE.match(w) else w for w in words)]
        if command.group(1) != "prune":
            words[0] = str(files / verb)  # the data
        words += ["--samples", "16"] if verb == "prune" and "--data" in words else []
        if command.group(1) == "train" or verb == "iterate":
            words += ["--max-update", "1", "--num-workers", "0", "--cpu"]
        if verb == "iterate":  # forked, which takes less time than to import everything
            words[words.index("--") + 1 :] = [*FORKED, *words[words.index("--") + 1 :]]
        words += ["--save-dir", made] if command.group(1) == "train" else []
        stdin = shlex.split(before)[1] if before.startswith("echo") else ""
        if ">" in words:
            words = words[: words.index(">")]
        if "<" in words:
            stdin = Path(words[words.index("<") + 1]).read_text(encoding="utf-8")
            words = words[: words.index("<")]
        words = [str(PLUGIN) if word == "fairseq_prune" else word for word in words]
        env = {"FORK_SERVER": server()}
        said = run(f"fairseq-{command.group(1)}", *words, stdin=stdin, env=env)
        assert said.strip() and "Traceback" not in said, line
        if verb == "translate":
            assert len(said.splitlines()) >= len(stdin.splitlines())
        if verb in ("distill", "iterate"):
            last = {"distill": "train.en-de.en.bin", "iterate": "round4/checkpoint_last.pt"}
            assert (made / last[verb]).is_file()
        if command.group(1) == "train":
            pruned = "--prune-sparsity" in words or str(files / "model.packed") in words
            assert bool(find_record(state_of(made / "checkpoint_last.pt"))) == pruned, line


@pytest.mark.parametrize("page, name", [("decoding", "model"), ("language_models", "small/model")])
def test_python_of(page, name, files, monkeypatch):
    source = "lm" if page == "language_models" else "retrained"
    packed = ("pack", files / source / "checkpoint_best.pt", files / f"{name}.packed")
    run("fairseq-prune", *packed)
    monkeypatch.chdir(files)
    exec(python_of(page), {})


def python_of(page):
    (code,) = [block for kind, block in blocks(REPO / "docs" / f"{page}.md") if kind == "python"]
    return code


def test_python_of_small_files(files, corpus, tmp_path, monkeypatch):
    """With a subword model beside the data."""
    (tmp_path / "data-bin").mkdir()
    shutil.copytree(str(files / "DATA"), str(tmp_path / "data-bin/multi30k"))
    shutil.copy(str(corpus / "spm.model"), str(tmp_path / "data-bin/multi30k/spm.en.model"))
    (tmp_path / "model.packed").symlink_to(files / "model.packed")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(python_of("small_files"), names)
    assert names["model"].apply_bpe("A dog runs.").startswith("\u2581A")


def test_a_score_and_a_scheme_of_ones_own(files, tmp_path):
    """Those of extend.md, in a user's folder."""
    score, scheme, _ = [b for kind, b in blocks(REPO / "docs" / "extend.md") if kind == "python"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text(score + scheme)
    said = run(
        "fairseq-prune", "prune", files / "dense/checkpoint_best.pt", tmp_path / "out.pt",
        "--user-dir", tmp_path / "mine", "--scheme", "by-range", "--score", "saliency:power=0.25",
        "--sparsity", "0.5", "--data", files / "DATA", "--samples", "16",
    )  # fmt: skip
    assert "by-range" in said and "saliency:power=0.25" in said
