"""``fairseq-prune translate``, run as a user has it."""

import os
import subprocess
import sys

from commands import PLUGIN

#: As a user has it, with a list of the modules that it has imported in the end.
TRANSLATE = """
import sys
from fairseq_prune.cli.main import main
try:
    main(["translate", *sys.argv[1:]])
finally:
    found = {"torch", "fairseq", "omegaconf"} & set(sys.modules)
    assert not found, found
"""
ENV = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.path.dirname(PLUGIN),
    "PYTHONIOENCODING": "ascii",
}

#: Lines that may come.
ODD = [
    "", " ", "\t", "  Anna  says\tthat Ben\xa0bought a house. ", "\x1f\u2028x\x85y\x00nul",
    "\ufeffBOM",
    "日本語 ünïcödé 😀 and Ben", "Anna bought " + "a house and " * 60,
    "\u2581 already \u2581cut @@ pie@@ ces <unk> </s>",
]  # fmt: skip


def translate(*args, stdin=b"", ok=0):
    """Output and errors, both bytes."""
    words = [sys.executable, "-c", TRANSLATE, *map(str, args)]
    found = subprocess.run(words, input=stdin, capture_output=True, env=ENV, timeout=200)
    assert found.returncode == ok, found.stderr.decode()[-3000:]
    assert b"Traceback" not in found.stderr
    return found.stdout, found.stderr.decode()
