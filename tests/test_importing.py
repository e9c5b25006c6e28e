"""What each import brings: torch alone for the method; everything, as soon as fairseq is there."""

import ast
import pickle
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from commands import PLUGIN

from fairseq_prune import errors, pruning
from fairseq_prune.after_import import after_import
from fairseq_prune.checkpoints.packed.pack_file import pack_checkpoint
from fairseq_prune.packed.texts import Text

PACKAGE = Path(PLUGIN)
#: Without fairseq: they have no ``import plugin``.
ALONE = {"pruning", "factorization", "parameters", "packed", "engine"}
#: Nor has this one: functions in it do, for files that need it.
IN_FUNCTIONS = "checkpoints"
#: Nor has this one, which the plugin never imports: its verbs bring what they need.
FIRST = "cli"

#: What is not there where fairseq is not.
GONE = re.compile("fairseq|omegaconf|hydra|wandb|sacrebleu|__editable__", re.IGNORECASE)
WITHOUT_FAIRSEQ = """
import sys
from importlib.util import find_spec
sys.path += sys.argv[2:]  # without site: no other packages
assert not any(map(find_spec, ("fairseq", "fairseq_cli", "omegaconf", "hydra", "wandb")))

import torch
from fairseq_prune import pruning
from fairseq_prune.pruning import apply_, classify, find_prunable, prune
weights = find_prunable({"a.weight": torch.arange(1.0, 9).view(2, 4)})
result = prune(weights, classify(weights, []), "class-blind", 0.5)
apply_(weights["a.weight"], result.masks["a.weight"])
assert weights["a.weight"].tolist() == [[0, 0, 0, 0], [5, 6, 7, 8]]

from fairseq_prune.factorization import LowRank
from fairseq_prune.checkpoints.packed.packed_model import PackedModel
print(PackedModel(sys.argv[1]).decode()["w"].tolist())
try:
    import fairseq_prune
    fairseq_prune.load_packed
except ImportError as error:
    print(error)
"""

#: A packed file opened, and text turned into numbers, with numpy alone; also by the command.
ALONE_WITH_NUMPY = """
import sys
blocked = ("torch", "fairseq", "omegaconf", "sacrebleu", "safetensors", "sentencepiece")
for name in blocked:
    sys.modules[name] = None

from fairseq_prune.cli import main
for verb in ("", "compress", "grid", "compare", "factorize", "distill", "translate", "score"):
    try:
        main.main([*filter(None, [verb]), "--help"])
    except SystemExit as end:
        assert not end.code, end.code
try:
    main.main(["pack", "a", "b"])
except SystemExit as end:
    assert end.code.startswith("fairseq-prune: error: pack needs torch, which is not installed")
from fairseq_prune.engine.text import Texts
from fairseq_prune.packed.container import Container
from fairseq_prune.packed.mask_code import MaskCode
from fairseq_prune.packed.settings import read_settings
container = Container(sys.argv[1])
code = MaskCode(container.read("w:mask"), 900)
print([positions.tolist() for _, _, positions in code.blocks()], read_settings(container).arch)
texts = Texts(container)
print(texts.encode("b a x"), texts.decode([5, 4, 2]))
"""

THEN_FAIRSEQ = """
import contextlib
import importlib
import os
import sys

import fairseq_prune.pruning

heavy = {name.split(".")[0] for name in sys.modules}
assert not heavy & {"fairseq", "omegaconf", "hydra", "wandb", "sacrebleu"}, heavy

def all_is_there():
    from fairseq import checkpoint_utils
    from fairseq.models import ARCH_MODEL_REGISTRY, lstm
    from fairseq.optim import OPTIMIZER_REGISTRY
    from fairseq.tasks import TASK_REGISTRY
    assert "pruned_translation" in TASK_REGISTRY and "pruned_adam" in OPTIMIZER_REGISTRY
    assert "pruned_lstm_nmt" in ARCH_MODEL_REGISTRY
    # files are read as this package reads them, and nothing in them is run
    assert type(checkpoint_utils.torch).__module__ == "fairseq_prune.fairseq_fixes.reading"
    try:
        lstm.eval("print('it runs')")
    except SystemExit as error:
        print("refused:", error, flush=True)
    import fairseq_prune
    assert fairseq_prune.register_pruned_task("translation") is TASK_REGISTRY["pruned_translation"]

# what fairseq takes longest to import: once, not in each process
for name in ("torch.export", "hydra.experimental", "wandb", "sacrebleu", "sklearn"):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
assert "fairseq" not in sys.modules
for first in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        importlib.import_module(first)
        all_is_there()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, first
"""


def script(text, *args, flags=()):
    command = [sys.executable, *flags, "-c", text, *map(str, args)]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=str(PACKAGE.parent))
    assert done.returncode == 0
    return done.stdout.decode()


def test_where_fairseq_is_not_installed(tmp_path):
    weight = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    torch.save({"model": {"w": weight}, "cfg": {}, "extra_state": {}}, str(tmp_path / "w.pt"))
    pack_checkpoint(str(tmp_path / "w.pt"), str(tmp_path / "w.packed"))
    others = tmp_path / "packages"
    others.mkdir()
    for path in Path(torch.__file__).parents[1].iterdir():
        if not GONE.match(path.name):
            (others / path.name).symlink_to(path)
    said = script(
        WITHOUT_FAIRSEQ, tmp_path / "w.packed", others, PACKAGE.parent, flags=("-I", "-S")
    )
    decoded, why_not = said.splitlines()
    assert decoded == str(weight.tolist()) and why_not == "No module named 'fairseq'"


def test_where_torch_is_not_installed(tmp_path):
    """Where fairseq is, too: it is not imported by the way."""
    args = Namespace(arch="lstm", task="translation")
    torch.save({"model": {"w": torch.eye(30)}, "args": args}, str(tmp_path / "w.pt"))
    words = Text("dictionary", b"a 2\nb 1\n")
    pack_checkpoint(
        str(tmp_path / "w.pt"), str(tmp_path / "w.packed"), texts={"source": words, "target": words}
    )
    said = script(ALONE_WITH_NUMPY, tmp_path / "w.packed").splitlines()
    assert any(line.split()[:2] == ["compress", "from"] for line in said)
    assert said[-2:] == [f"[{list(range(0, 900, 31))}] lstm", "[5, 4, 3, 2] b a"]


def test_errors_are_those_of_the_method():
    error = pickle.loads(pickle.dumps(pruning.PruneError("say\nso")))
    assert type(error) is pruning.PruneError is errors.PruneError and str(error) == "say so"


def test_fairseq_imported_later_has_it_all():
    """Whichever is imported first: fairseq itself, or a part of this package that needs it."""
    said = script(
        THEN_FAIRSEQ, "fairseq", "fairseq_prune.fairseq_fixes.fix", "fairseq_prune.loading.load"
    )
    lines = said.splitlines()
    assert len(lines) == 3 and all(x.startswith("refused: fairseq_prune: error:") for x in lines)


def imported_by(path):
    """The first names of what a file imports; with dots before them where it is this package's."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        if isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "").split(".")[0]


def imports(package, names):
    return any(not names.isdisjoint(imported_by(p)) for p in (PACKAGE / package).rglob("*.py"))


def test_packages_that_use_fairseq_begin_with_the_plugin():
    """Else the one that is imported first would be half there when the plugin needs it."""
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    for package in packages:
        begins = "from .. import plugin" in (PACKAGE / package / "__init__.py").read_text()
        assert begins == (package not in {*ALONE, FIRST, IN_FUNCTIONS}), package
        assert not imports(package, {f"..{FIRST}", f"...{FIRST}"}), package
    for package in ALONE:
        assert not imports(package, {"fairseq", "omegaconf", "hydra"}), package


@pytest.fixture
def waited_for(tmp_path, monkeypatch):
    """The file of a package that notes that it runs."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    (tmp_path / "waited_for").mkdir()
    init = tmp_path / "waited_for" / "__init__.py"
    init.write_text("value = 1\n")
    (tmp_path / "waited_for" / "part.py").write_text("from . import value\n")
    yield init
    for name in ("waited_for", "waited_for.part"):
        sys.modules.pop(name, None)


def test_after_import(waited_for):
    seen, before = [], list(sys.meta_path)
    after_import("waited_for", lambda: seen.append(sys.modules["waited_for"].value))
    import json  # noqa: F401  (another)

    assert not seen
    from waited_for.part import value

    assert seen == [1] == [value] and sys.meta_path == before
    module = sys.modules["waited_for"]
    assert module.__spec__.loader is module.__loader__
    assert module.__loader__.get_filename() == str(waited_for)


def test_after_import_waits_on_where_it_fails(waited_for):
    seen = []
    after_import("waited_for", lambda: seen.append(1))
    waited_for.write_text("raise ImportError('not yet')\n")
    with pytest.raises(ImportError, match="not yet"):
        import waited_for as module
    assert not seen
    waited_for.write_text("value = 12345\n")
    import waited_for as module

    assert seen == [1] and module.value == 12345


def test_what_fails_after_an_import_ends_it(waited_for):
    def fail():
        raise RuntimeError("cannot be fixed")

    after_import("waited_for", fail)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="cannot be fixed"):
            import waited_for  # noqa: F401
        assert "waited_for" not in sys.modules


def test_a_package_that_is_nowhere():
    finders = list(sys.meta_path)
    after_import("is_nowhere_at_all", lambda: None)
    try:
        with pytest.raises(ImportError):
            import is_nowhere_at_all  # noqa: F401
    finally:
        sys.meta_path[:] = finders
