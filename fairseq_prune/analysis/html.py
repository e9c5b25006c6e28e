"""Pages that need no other file."""

import base64
import html
from typing import Iterable, List, Sequence

STYLE = (
    "body{font:14px/1.5 sans-serif;max-width:62em;margin:2em auto;padding:0 1em}"
    "img{max-width:100%}table{border-collapse:collapse;margin:1em 0}"
    "td,th{padding:.1em .8em;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}figcaption{color:#444}"
)


def document(title: str, parts: Iterable[str]) -> str:
    """A page of HTML ``parts``."""
    head = f"<!doctype html><meta charset='utf-8'><title>{html.escape(title)}</title>"
    return "\n".join([head, f"<style>{STYLE}</style>", f"<h1>{html.escape(title)}</h1>", *parts])


def picture(path: str, caption: str) -> str:
    """The PNG at ``path``, within the page."""
    with open(path, "rb") as f:
        data = base64.b64encode(f.read()).decode()
    caption = html.escape(caption)
    return (
        f"<figure><img alt='{caption}' src='data:image/png;base64,{data}'>"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts."""
    lines: List[str] = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head)]
    lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
