"""Texts of files, made fit to be shown: they may be made to command a terminal or to mislead."""

import unicodedata

#: Bidirectional controls, and what ends a line beside the control characters.
_HIDDEN = "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def printable(text: str) -> str:
    """``text`` in one line, without control characters: spaces and nothing stand for them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in "\t\n\r\u2028\u2029":
        return " "
    kind = unicodedata.category(character)
    if kind == "Cs":  # half a character, which cannot be written
        return "\ufffd"
    return "" if kind == "Cc" or character in _HIDDEN else character
