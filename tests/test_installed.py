"""--user-dir fairseq_prune, the name, works where nothing is called so but what was installed."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import fairseq
import pytest
from commands import REPO

PROJECT = ["setup.py", "setup.cfg", "pyproject.toml", "build_backend.py", "README.md", "LICENSE"]

BUILD = """
import sys
sys.path.insert(0, "")
import build_backend
getattr(build_backend, sys.argv[1])(sys.argv[2])
"""

#: twice, as fairseq's commands do; then in another process, as training on several GPUs does,
#: and after the package was imported
USE = """
import os
import sys
import torch

def use(before):
    if before:
        import fairseq_prune
    from argparse import Namespace
    from fairseq import utils
    from fairseq.tasks import TASK_REGISTRY
    for _ in range(2):
        utils.import_user_module(Namespace(user_dir="fairseq_prune"))
    import fairseq_prune
    assert TASK_REGISTRY["pruned_translation"].__module__ == "fairseq_prune.tasks.pruned_task"
    # all of it, and nothing from where this Python has the package besides
    files = [m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "fairseq_prune"]
    assert len(files) > 50
    for file in files:
        print("used", os.path.realpath(file))

def use_in_a_process(rank):
    use(before=True)

if __name__ == "__main__":
    use(before=False)
    if sys.argv[1:] == ["and in a process"]:
        torch.multiprocessing.spawn(use_in_a_process, nprocs=1)
    print("done")
"""


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    if not (REPO / "fairseq_prune").is_dir():
        pytest.skip("what is tested is installed already")
    folder = tmp_path_factory.mktemp("clone")
    for name in PROJECT:
        shutil.copy(str(REPO / name), str(folder))
    shutil.copytree(str(REPO / "fairseq_prune"), str(folder / "fairseq_prune"))
    return folder


@pytest.fixture(scope="module", params=["build_wheel", "build_editable"])
def site(clone, tmp_path_factory, request):
    """A folder of packages: fairseq, and what pip would unpack there."""
    site, wheels = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("wheels")
    before = tree(clone / "fairseq_prune")
    subprocess.run(
        [sys.executable, "-c", BUILD, request.param, str(wheels)], cwd=str(clone), check=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert tree(clone / "fairseq_prune") == before
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(str(wheel)) as archive:
        names = archive.namelist()
        for name in ("entry_points.txt", "METADATA", "WHEEL"):
            assert len([found for found in names if found.endswith(".dist-info/" + name)]) == 1
        assert not [name for name in names if ".egg-info" in name]
        archive.extractall(str(site))
    source = Path(fairseq.__file__).parent
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            link = site / "fairseq" / path.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    expected = clone if request.param == "build_editable" else site
    more = ["and in a process"] if request.param == "build_editable" else []
    return site, os.path.realpath(str(expected / "fairseq_prune")), more


def test_its_name(site, tmp_path):
    folder, expected, more = site
    script = tmp_path / "use.py"
    script.write_text(USE)
    output = subprocess.run(
        [sys.executable, str(script), *more], cwd=str(tmp_path),
        env={**os.environ, "PYTHONPATH": str(folder)}, stdout=subprocess.PIPE, check=True,
    ).stdout.decode()  # fmt: skip
    used = [line.split()[1] for line in output.splitlines() if line.startswith("used ")]
    assert used and all(path.startswith(expected + os.sep) for path in used)
    assert "done" in output
