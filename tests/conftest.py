"""What no test may leave behind for the next."""

import logging

import pytest


@pytest.fixture(autouse=True)
def logging_as_before():
    """Verbs that are called in this process silence libraries for as long as it lives."""
    before = logging.root.manager.disable
    yield
    logging.disable(before)
