"""What no test may leave behind for the next, and which files come first."""

import logging
from pathlib import Path

import pytest

#: What the names of files begin with that take longest: begun last, one of them would leave the
#: other processes idle.
LONGEST = ("test_compress", "test_architectures", "test_scores", "test_grid", "test_interruption")


@pytest.fixture(autouse=True)
def logging_as_before():
    """Verbs that are called in this process silence libraries for as long as it lives."""
    before = logging.root.manager.disable
    yield
    logging.disable(before)


def pytest_collection_modifyitems(items):
    """The longest files first, then the others that run commands, then all that are short."""

    def place(item):
        path = Path(str(item.fspath))
        if path.parent.name != "end_to_end":
            return len(LONGEST) + 1
        found = [k for k, name in enumerate(LONGEST) if path.stem.startswith(name)]
        return found[0] if found else len(LONGEST)

    items.sort(key=place)
