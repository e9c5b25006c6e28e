"""Translating with packed files: needs numpy alone, and neither torch nor fairseq."""

from typing import Any

__all__ = ["SearchOptions", "Translator"]


def __getattr__(name: str) -> Any:
    """Imported when they are used: the rest of the package has no need of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no {name}")
    from . import translator

    return getattr(translator, name)
