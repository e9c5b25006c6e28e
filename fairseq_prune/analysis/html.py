"""Pages that need no other file. Text becomes markup nowhere but here, where it is escaped."""

import base64
import html
from typing import Iterable, Sequence

from ..pruning import printable

STYLE = (
    "body{font:14px/1.5 sans-serif;max-width:62em;margin:2em auto;padding:0 1em}"
    "img{max-width:100%}table{border-collapse:collapse;margin:1em 0}"
    "td,th{padding:.1em .8em;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}figcaption{color:#444}"
)


class Html(str):
    """Markup made by ``element``. Any other string is a text."""


def element(tag: str, *content: str, **attributes: str) -> Html:
    """``<tag attributes>content</tag>``, all that is not ``Html`` escaped."""
    markup = "".join(f" {name}='{_markup(value)}'" for name, value in attributes.items())
    return Html(f"<{tag}{markup}>{_joined(content)}</{tag}>")


def document(title: str, parts: Iterable[str]) -> str:
    """A page of ``parts``."""
    head = Html("<!doctype html><meta charset='utf-8'>")
    style = element("style", Html(STYLE))
    return _joined([head, element("title", title), style, element("h1", title), *parts], "\n")


def picture(path: str, caption: str) -> Html:
    """The PNG at ``path``, within the page."""
    with open(path, "rb") as f:
        data = base64.b64encode(f.read()).decode()
    image = Html(f"<img alt='{_markup(caption)}' src='data:image/png;base64,{data}'>")
    return element("figure", image, element("figcaption", caption))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Html:
    """A table of texts."""
    lines = [element("tr", *(element("th", cell) for cell in head))]
    lines += [element("tr", *(element("td", cell) for cell in row)) for row in rows]
    return element("table", *lines)


def _joined(content: Iterable[str], between: str = "") -> Html:
    return Html(between.join(map(_markup, content)))


def _markup(text: str) -> Html:
    return text if isinstance(text, Html) else Html(html.escape(printable(str(text))))
