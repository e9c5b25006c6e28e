"""The commands of the README and docs/ do what they say, on files under the names that they give.

Those that train have tests of their own (compress, iterate, distill, grid, methods), with more to
look at than that they end.
"""

import re
import shlex
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from commands import REPO, run

TRAIN = ("compress", "iterate", "distill", "grid", "methods")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
#: What paths in them begin with.
FILE = re.compile(
    r"(dense|retrained|lm|small|runs|data-bin)/|(checkpoint_best|pruned|PRUNED|low_rank|model)\.p|"
    r"(report|code|DATA|in\.txt)$"
)


def quick_commands():
    """Page -> its lines with a verb that does not train, joined where they go on."""
    pages = defaultdict(list)
    for page in [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]:
        for kind, block in FENCE.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines() if kind in ("", "sh") else ():
                line = line.split("    # ")[0].strip()
                if "fairseq-prune " in line and "..." not in line:
                    verb = line.split("fairseq-prune ")[1].split()[0]
                    if verb not in TRAIN and not verb.startswith("-"):
                        pages[page.name].append(line)
    return pages


PAGES = quick_commands()


@pytest.fixture(scope="module")
def files(data, dense, retrained, language_model, text, tmp_path_factory):
    """A folder with models and data under the names of the docs."""
    folder = tmp_path_factory.mktemp("docs")
    pruned = Path(retrained[0]) / "checkpoint_best.pt"
    for name, source in {
        "checkpoint_best.pt": pruned, "dense/checkpoint_best.pt": dense,
        "retrained/checkpoint_best.pt": pruned, "small/checkpoint_best.pt": pruned,
        "lm/checkpoint_best.pt": language_model,
        "runs/scores/seed1/dense/checkpoint_best.pt": dense,
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
    shutil.copy(str(data.parent / "test.en"), str(folder / "in.txt"))
    (folder / "code").write_text("#version: 0.2\na n</w>\n")  # of subword-nmt
    run("fairseq-prune", "pack", pruned, folder / "model.packed")
    for name in ("small", "runs/compress/seed1/90"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(str(folder / "model.packed"), str(folder / name / "model.packed"))
    return folder


def test_there_are_commands():
    verbs = {
        line.split("fairseq-prune ")[1].split()[0] for lines in PAGES.values() for line in lines
    }
    assert verbs >= {
        "prune",
        "inspect",
        "pack",
        "unpack",
        "translate",
        "score",
        "compare",
        "report",
    }


@pytest.mark.parametrize("page", PAGES)
def test_commands_of(page, files):
    if page == "language_models.md":  # whose model is another
        run("fairseq-prune", "pack", files / "lm/checkpoint_best.pt", files / "small/model.packed")
    for line in PAGES[page]:
        before, _, command = line.rpartition("fairseq-prune ")
        verb, *words = shlex.split(command)
        words = [verb, *(str(files / w) if FILE.match(w) else w for w in words)]
        # as small as the models are here
        words = ["16" if re.match("--.*-rank$", b) else w for b, w in zip(["", *words], words)]
        words += ["--samples", "16"] if verb == "prune" and "--data" in words else []
        stdin = shlex.split(before)[1] if before.startswith("echo") else ""
        if ">" in words:
            words = words[: words.index(">")]
        if "<" in words:
            stdin = Path(words[words.index("<") + 1]).read_text(encoding="utf-8")
            words = words[: words.index("<")]
        said = run("fairseq-prune", *words, stdin=stdin)
        assert said.strip() and "Traceback" not in said, line
        if verb == "translate":
            assert len(said.splitlines()) >= len(stdin.splitlines())
