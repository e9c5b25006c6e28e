"""Each of the Makefile's commands does something."""

import re
import shutil
import subprocess

import pytest
from commands import REPO

NAMES = re.search(r"^\.PHONY: (.*)$", (REPO / "Makefile").read_text(), re.M).group(1).split()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("name", [name for name in NAMES if name != "setup"])
def test_rule(name):
    said = subprocess.run(["make", "-n", name], cwd=REPO, capture_output=True, text=True)
    assert said.returncode == 0 and re.search(r"^(\S+=\S+ )?(\.venv/bin/|rm )", said.stdout, re.M)
