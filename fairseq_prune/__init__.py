"""A fairseq plugin that prunes sequence-to-sequence models: ``--user-dir fairseq_prune``.

What it adds to fairseq, and changes in it (``plugin``), is there whenever fairseq is: at once where
fairseq has been imported before, as it has where it loads a ``--user-dir``; otherwise as soon as
anyone imports fairseq, or a part of this package that uses it. Until then nothing of fairseq is
imported: ``fairseq_prune.pruning`` needs torch alone.
"""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .after_import import after_import

if TYPE_CHECKING:  # at run time when they are asked for, below
    from .engine import LanguageModel as LanguageModel
    from .engine import Translator as Translator
    from .plugin import load_packed as load_packed
    from .plugin import register_pruned_optimizer as register_pruned_optimizer
    from .plugin import register_pruned_task as register_pruned_task
    from .pruning import SCHEMES as SCHEMES
    from .pruning import SCORES as SCORES
    from .pruning import prune as prune

__version__ = "0.2.0.dev0"

#: Public name -> the part of the package that has it. Only the plugin needs fairseq, and the engine
#: not even torch.
_PARTS = {
    "LanguageModel": "engine",
    "SCHEMES": "pruning",
    "SCORES": "pruning",
    "Translator": "engine",
    "load_packed": "plugin",
    "prune": "pruning",
    "register_pruned_optimizer": "plugin",
    "register_pruned_task": "plugin",
}
__all__ = sorted([*_PARTS, "__version__"])


def __getattr__(name: str):
    """What is imported when it is asked for: the names above, and the parts of the package."""
    if name in _PARTS:
        return getattr(import_module(f".{_PARTS[name]}", __name__), name)
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


if sys.modules.get("fairseq") is not None:
    import_module(".plugin", __name__)
else:
    after_import("fairseq", lambda: import_module(".plugin", __name__))
