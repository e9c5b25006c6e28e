"""Plugins of the user's own."""

import subprocess
import sys

import pytest

from fairseq_prune.cli.main import main
from fairseq_prune.experiments.commands import shown
from fairseq_prune.experiments.grid import read_grid
from fairseq_prune.experiments.points import Point
from fairseq_prune.pruning import SCORES, PruneError
from fairseq_prune.user_dir import check_prunes, import_plugin, import_plugin_of


def test_this_package_is_there_already_wherever_it_is_said_to_lie():
    import_plugin("nowhere/fairseq_prune/")


def test_one_of_the_users_is_imported(tmp_path, monkeypatch):
    folder = tmp_path / "plugin_of_a_user"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", list(sys.path))
    import_plugin_of(["--arch", "a", "--user-dir", str(folder)], "train")
    assert sys.modules.pop(folder.name)


def test_its_warnings_are_heard_and_none_of_what_fairseq_is_built_on(tmp_path):
    folder = tmp_path / "plugin_that_warns"
    folder.mkdir()
    (folder / "__init__.py").write_text("import warnings\nwarnings.warn('of the plugin')")
    words = f"prune no.pt out.pt --sparsity 0.5 --user-dir {folder}".split()
    # fairseq's use of torch.jit.script is deprecated: with torch 2.14 for all to hear
    filters = "-W default::DeprecationWarning:torch.jit._script".split()
    program = "from fairseq_prune.cli.main import main; main()"
    said = subprocess.run(
        [sys.executable, *filters, "-c", program, *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, check=False,
    ).stdout.splitlines()  # fmt: skip
    assert len(said) == 3 and said[0].endswith("UserWarning: of the plugin")
    assert said[-1] == "fairseq-prune: error: checkpoint no.pt does not exist"


def test_what_cannot_be_imported(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    import_plugin_of(["--arch", "a", "--user-dir"], "train")  # another check's
    with pytest.raises(PruneError, match="^train: --user-dir nowhere does not exist"):
        import_plugin_of(["--user-dir", "nowhere"], "train")
    (tmp_path / "broken_plugin").mkdir()
    (tmp_path / "broken_plugin" / "__init__.py").write_text("import no_such_module")
    with pytest.raises(PruneError, match="broken_plugin cannot be imported: No module named"):
        import_plugin(str(tmp_path / "broken_plugin"))


@pytest.fixture
def own_score(tmp_path, monkeypatch):
    """A plugin with a score of its own."""
    folder = tmp_path / "plugin_with_a_score"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from fairseq_prune.pruning import SCORES\nSCORES['mine'] = SCORES['magnitude']\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield str(folder)
    SCORES.pop("mine", None)
    sys.modules.pop(folder.name, None)


@pytest.mark.parametrize("how", ["--user-dir {}", "--user-dir={}"])
def test_iterate_knows_the_scores_of_its_trainings_plugin(own_score, how):
    words = "iterate --from nowhere.pt --out o --sparsity 0.5 --rounds 1 --score mine".split()
    command = ["--", "fairseq-train", "data", *how.format(own_score).split()]
    with pytest.raises(SystemExit, match="nowhere.pt"):  # the score is no mistake
        main([*words, *command])


@pytest.mark.parametrize("folder, told", [("own", True), ("fairseq_prune", False)])
def test_the_command_of_a_point_names_the_plugin(own_score, tmp_path, folder, told):
    folder = own_score if told else folder
    path = tmp_path / "grid.yaml"
    path.write_text(
        f"data: d\ndense: dense.pt\ntrain: {{all: --user-dir {folder}}}\n"
        "points: [{kinds: [pruned], schemes: [class-blind], sparsities: [0.5]}]\n"
    )
    grid = read_grid(str(path))
    command = shown(grid, Point(1, "pruned", "class-blind", 0.5), "out")
    assert command.endswith(f" --user-dir {folder}") == told
    assert command.startswith("fairseq-prune prune dense.pt PRUNED.pt ")


def test_one_for_trainings_that_prune_imports_this_package(tmp_path):
    """In any of its modules."""
    folder = tmp_path / "plugin_of_another"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("from . import models")
    with pytest.raises(PruneError, match="plugin_of_another does not import fairseq_prune"):
        check_prunes(str(folder))
    (folder / "models" / "__init__.py").write_text("from fairseq_prune import pruning")
    check_prunes(str(folder))
    check_prunes("nowhere/fairseq_prune/")


def test_what_fairseq_goes_without_is_not_told(own_score):
    """Of a process that imports fairseq for a plugin: nothing but what the verb says."""
    words = ["inspect", "nowhere.pt", "--user-dir", own_score]
    command = [sys.executable, "-W", "ignore", "-m", "fairseq_prune.cli.main", *words]
    done = subprocess.run(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert not done.stdout
    assert done.stderr.decode().splitlines() == [
        "fairseq-prune: error: checkpoint nowhere.pt does not exist"
    ]
