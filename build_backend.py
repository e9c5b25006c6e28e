"""Builds this project: as setuptools does, but for editable installs (PEP 517, PEP 660).

fairseq looks for the folder that ``--user-dir`` names where it is called from and where it is
installed itself. An editable install usually puts no folder there; this one puts a package
there that hands over to the one in the clone, and nothing else.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  (the hooks that pip calls)
from wheel.wheelfile import WheelFile

PACKAGE = "fairseq_prune"
HAND_OVER = '''\
"""Hands over to the package in {folder} (an editable install)."""

import importlib.util
import sys

_folder = {folder!r}
_spec = importlib.util.spec_from_file_location(
    __name__, _folder + "/__init__.py", submodule_search_locations=[_folder]
)
_module = importlib.util.module_from_spec(_spec)
sys.modules[__name__] = _module
_spec.loader.exec_module(_module)
'''
WHEEL = """\
Wheel-Version: 1.0
Generator: {package}
Root-Is-Purelib: true
Tag: py3-none-any
"""


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Write the wheel of an editable install; return its name."""
    # the engine goes into the clone; where that fails, torch multiplies
    subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], check=False)
    with tempfile.TemporaryDirectory() as folder:
        info = build_meta.prepare_metadata_for_build_wheel(folder, config_settings)
        name = f"{info[: -len('.dist-info')]}-0.editable-py3-none-any.whl"
        with WheelFile(os.path.join(wheel_directory, name), "w") as wheel:
            for path in sorted(Path(folder, info).rglob("*")):
                if path.is_file():  # licenses/ is a folder
                    wheel.write(str(path), path.relative_to(folder).as_posix())
            wheel.writestr(f"{info}/WHEEL", WHEEL.format(package=PACKAGE))
            hand_over = HAND_OVER.format(folder=os.path.abspath(PACKAGE))
            wheel.writestr(f"{PACKAGE}/__init__.py", hand_over)
    return name
