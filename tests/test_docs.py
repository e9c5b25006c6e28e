"""What the README and docs/ say can be followed: links, commands, options, Python."""

import importlib.util
import re
import shlex
from dataclasses import fields

import pytest
from commands import REPO

from fairseq_prune.cli.main import build_parser

PAGES = sorted(
    path for path in [*REPO.glob("*.md"), *REPO.glob("docs/*.md"), *REPO.glob("examples/*/*.md")]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def anchors(path):
    """As GitHub and mkdocs make them of headings."""
    text = FENCE.sub("", path.read_text("utf-8"))
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        found.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain)))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPO)))
def test_links(page):
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


def commands():
    """Each line of a shell block, joined where it goes on, without what is left out by dots."""
    for page in PAGES:
        for kind, block in FENCE.findall(page.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines() if kind in ("", "sh") else ():
                yield page.relative_to(REPO), line.split("    # ")[0].strip()


VERBS = [
    (page, line) for page, line in commands() if "fairseq-prune " in line and "..." not in line
]


@pytest.mark.parametrize("page, line", VERBS)
def test_commands_are_taken(page, line, capsys):
    words = shlex.split(line.split(" | ")[-1])
    words = words[words.index("fairseq-prune") + 1 :]
    ends = [k for k, word in enumerate(words) if word in ("<", ">")]
    words = words[: ends[0]] if ends else words
    try:
        build_parser(words).parse_args(words)
    except SystemExit as end:
        pytest.fail(f"{page}: {line}: {end.code} {capsys.readouterr().err}")


def test_there_are_commands():
    said = {line.split("fairseq-prune ")[1].split()[0] for _, line in VERBS}
    assert {"compress", "prune", "pack", "translate", "score", "compare", "grid"} <= said


def test_options_are_there():
    """Those of training by the names of this plugin's."""
    from fairseq.criterions import CRITERION_DATACLASS_REGISTRY
    from fairseq.tasks import TASK_DATACLASS_REGISTRY

    import fairseq_prune.plugin  # noqa: F401  (registers them)

    classes = [
        TASK_DATACLASS_REGISTRY["pruned_translation"], CRITERION_DATACLASS_REGISTRY["distillation"]
    ]  # fmt: skip
    known = {f"--{f.name.replace('_', '-')}" for c in classes for f in fields(c)}
    for page in PAGES:
        said = re.findall(r"(?<![\w-])--(?:prune|teacher)-?[a-z-]*[a-z]", page.read_text("utf-8"))
        for option in set(said) - {"--prune"}:
            assert option in known, f"{page.name}: {option}"


def test_plain_pytorch():
    text = (REPO / "docs" / "first_steps.md").read_text("utf-8")
    (code,) = [block for kind, block in FENCE.findall(text) if kind == "python"]
    space = {}
    exec(code, space)
    zeros = sum(int((weight == 0).sum()) for weight in space["weights"].values())
    assert zeros == round(0.8 * sum(weight.numel() for weight in space["weights"].values()))


def test_what_the_page_of_the_api_names_is_there():
    for name in re.findall(r"^::: (\S+)$", (REPO / "docs" / "api.md").read_text("utf-8"), re.M):
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_the_table_of_what_is_changed_in_fairseq():
    """Is the one that is made of it."""
    spec = importlib.util.spec_from_file_location("fixes", REPO / "scripts" / "fixes_table.py")
    fixes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fixes)
    assert (REPO / "docs" / "fairseq_fixes.md").read_text(encoding="utf-8") == fixes.table()
