"""Translating and scoring text with packed files: needs numpy alone, neither torch nor fairseq."""

from importlib import import_module
from typing import Any

_MODULES = {
    "LanguageModel": "language_model",
    "SearchOptions": "translator",
    "Translator": "translator",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    """Imported when they are used: the rest of the package has no need of them."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no {name}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
