"""Plugins of the user's own."""

import sys

import pytest

from fairseq_prune.pruning import PruneError
from fairseq_prune.user_dir import import_plugin, import_plugin_of


def test_this_package_is_there_already_wherever_it_is_said_to_lie():
    import_plugin("nowhere/fairseq_prune/")


def test_one_of_the_users_is_imported(tmp_path, monkeypatch):
    folder = tmp_path / "plugin_of_a_user"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", list(sys.path))
    import_plugin_of(["--arch", "a", "--user-dir", str(folder)], "train")
    assert sys.modules.pop(folder.name)


def test_what_cannot_be_imported(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    import_plugin_of(["--arch", "a", "--user-dir"], "train")  # another check's
    with pytest.raises(PruneError, match="^train: --user-dir nowhere does not exist"):
        import_plugin_of(["--user-dir", "nowhere"], "train")
    (tmp_path / "broken_plugin").mkdir()
    (tmp_path / "broken_plugin" / "__init__.py").write_text("import no_such_module")
    with pytest.raises(PruneError, match="broken_plugin cannot be imported: No module named"):
        import_plugin(str(tmp_path / "broken_plugin"))
