"""Each fix is for a fault that this fairseq has without it, or is known not to have."""

import json
import subprocess
import sys
from pathlib import Path

import fairseq
import numpy
import pytest
import torch
from commands import REPO

from fairseq_prune.checkpoints.reading import TAKES_SAFE_TYPES
from fairseq_prune.fairseq_fixes.table import FIXES

#: torch loads weights only unless told otherwise.
STRICT = TAKES_SAFE_TYPES and tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 6)
STOCK = fairseq.__version__.startswith("0.12.2")

#: Fault -> whether it is there, and what is said then.
EXPECTED = {
    "safe_types": (STRICT, "argparse.Namespace was not an allowed"),
    "whole_files": (True, "written over"),
    "reading": (True, ""),
    "whole_sets": (not STOCK, "AssertionError"),
    "broadcast": (STRICT, "AssertionError"),
    "amp_state": (True, "AssertionError"),
    "plateau": (True, "AssertionError"),
    "average_start": (True, "KeyError: 'model'"),
    "numpy_compat": (not hasattr(numpy, "compat"), "compat"),
    "evaluated_options": (True, "the option ran"),
    "bart": (True, "'args'"),
    "combined_sets": (True, "ValueError"),
    "replace_unk": (True, "the flag names a file"),
    "own_weights": (STOCK, "Mask Type should be defined"),
    "copies": (not STOCK, "in_proj_weight"),
    "text_blocks": (True, "blocks are left out"),
    # from 3.14 on such a thread waits for ever in the place of being ended
    "prefetching": (sys.version_info < (3, 14), "terminate called without an active exception"),
}


@pytest.fixture(scope="module")
def found():
    script = Path(__file__).with_name("faults.py")
    done = subprocess.run(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert done.returncode == 0
    return json.loads(done.stdout.decode().splitlines()[-1])


@pytest.mark.parametrize("name", EXPECTED)
def test_fault(found, name):
    is_there, says = EXPECTED[name]
    assert (found[name] is not None) == is_there, found[name]
    assert not is_there or says in found[name]


def test_all_that_have_no_other_test_are_shown_here():
    shown = {fix.shown_by for fix in FIXES if "test_faults" in fix.shown_by}
    assert shown == {f"fairseq_fixes/test_faults.py::test_fault[{name}]" for name in EXPECTED}


def test_the_tests_that_show_them_are_there():
    for fix in FIXES:
        path, _, name = fix.shown_by.partition("::")
        text = (REPO / "tests" / path).read_text(encoding="utf-8")
        assert not name or f"def {name.partition('[')[0]}(" in text, fix.name
