"""Texts as entries of a packed file, each stored once; and a shortlist."""

from typing import Any, Dict, List, Mapping, Optional, Tuple

from ...packed.container import Container, is_packed
from ...packed.shortlist import Shortlist, read_shortlist
from ...packed.texts import Text, entry_of, read_texts
from .write_container import Entry


def texts_of(path: str) -> Dict[str, Text]:
    """Those in the file at ``path``, which has none unless it is a packed one.

    Raises:
        PruneError: it is damaged.
    """
    return read_texts(Container(path)) if is_packed(path) else {}


def write_texts(texts: Mapping[str, Text]) -> Tuple[Dict[str, Any], List[Entry]]:
    """What a packed file says of ``texts``, by name, and its entries for them."""
    said: Dict[str, Any] = {}
    first: Dict[bytes, str] = {}
    for name, text in texts.items():
        said[name] = text.described()
        if text.raw is not None and first.setdefault(text.raw, name) != name:
            said[name]["same_as"] = first[text.raw]
    entries = [Entry(entry_of(name), "U8", (len(raw),), [raw]) for raw, name in first.items()]
    return said, entries


def shortlist_of(path: str) -> Optional[Shortlist]:
    """That in the file at ``path``, as ``texts_of``."""
    return read_shortlist(Container(path)) if is_packed(path) else None


def shortlist_entries(shortlist: Shortlist) -> List[Entry]:
    return [Entry(name, kind, array.shape, [array]) for name, kind, array in shortlist.stored()]
