"""What made a result."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Dict

#: The distributions that have a say in a score; fairseq comes under either of two names.
DISTRIBUTIONS = ("torch", "fairseq", "fairseq-fixed", "sacrebleu", "fairseq-prune")


def versions() -> Dict[str, str]:
    """Name -> version of Python and of those ``DISTRIBUTIONS`` that are installed."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
