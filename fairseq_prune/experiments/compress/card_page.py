"""The model card as a text and as a page."""

import os
from typing import Any, Dict, List, Sequence

from ...analysis.html import document, element, picture, table
from ...pruning import printable
from .card_tables import commands, notes, sections, summary, versions

CAPTIONS = {
    "densities": "What is left of each weight class.",
    "rounds": "Validation loss in each round of retraining.",
}
TITLE = "Model card"


def markdown(content: Dict[str, Any], figures: List[str]) -> str:
    """The card as a text."""
    lines = [f"# {TITLE}", "", _line(summary(content)), ""]
    for title, (head, rows) in sections(content):
        lines += [f"## {title}", "", _row(head), _row(["---"] * len(head))]
        lines += [*map(_row, rows), ""]
        if title == "Scores":
            lines += [*(f"{_line(note)}\n" for note in notes(content))]
    lines += [f"![{CAPTIONS[name]}]({name}.png)\n" for name in figures]
    lines += ["## The commands", "", "```", *map(_line, commands(content)), "```", ""]
    lines += [_line(versions(content)), ""]
    return "\n".join(lines)


def page(content: Dict[str, Any], out: str, figures: List[str]) -> str:
    """The card as HTML that needs no other file."""
    parts = [element("p", summary(content))]
    for title, (head, rows) in sections(content):
        parts += [element("h2", title), table(head, rows)]
        if title == "Scores":
            parts += [element("p", note) for note in notes(content)]
    parts += [picture(os.path.join(out, f"{name}.png"), CAPTIONS[name]) for name in figures]
    parts += [
        element("h2", "The commands"),
        *(element("p", element("code", command)) for command in commands(content)),
        element("p", versions(content)),
    ]
    return document(TITLE, parts)


def _line(text: str) -> str:
    return printable(text)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_line(cell).replace("|", "\\|") for cell in cells) + " |"
