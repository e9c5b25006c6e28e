"""A fairseq plugin that prunes sequence-to-sequence models: ``--user-dir fairseq_prune``.

What it adds to fairseq, and mends in it (``plugin``), is there whenever fairseq is: at once where
fairseq has been imported before, as it has where it loads a ``--user-dir``; otherwise as soon as
anyone imports fairseq, or a part of this package that uses it. Until then nothing of fairseq is
imported: ``fairseq_prune.pruning`` needs torch alone.
"""

import sys
from importlib import import_module
from importlib.util import find_spec

from .after_import import after_import

__all__ = ["load_packed", "register_pruned_optimizer", "register_pruned_task"]


def __getattr__(name: str):
    """What is imported when it is asked for: the names above, and the parts of the package."""
    if name in __all__:
        return getattr(import_module(".plugin", __name__), name)
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if sys.modules.get("fairseq") is not None:
    import_module(".plugin", __name__)
else:
    after_import("fairseq", lambda: import_module(".plugin", __name__))
