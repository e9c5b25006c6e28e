"""Rows of compared methods, for people."""

import html
import re
import statistics
from typing import List

from ...pruning import printable, table
from .score import BATCHES, ROUNDS, Row


def cells(rows: List[Row]) -> List[List[str]]:
    """The head, and the text of each row; shares are of the first."""
    speeds = (f"words/s, {batch}" for batch in BATCHES)
    head = ["method", "parameters", "bytes", f"of {rows[0]['method']}", "valid", "test"]
    return [[*head, *speeds, "runtime"]] + [
        [
            row["method"],
            f"{row['parameters']:,}",
            f"{row['bytes']:,}",
            f"{100 * row['bytes'] / rows[0]['bytes']:.1f}%",
            f"{row['valid']:.2f}",
            f"{row['test']:.2f}",
            *(f"{row[f'words_per_second_{batch}']:,.0f}" for batch in BATCHES),
            row["runtime"],
        ]
        for row in rows
    ]


def as_text(rows: List[Row]) -> str:
    return "\n".join(table(cells(rows)))


def about_speeds(rows: List[Row]) -> str:
    """How speeds were measured, and how far they are to be trusted."""
    spreads = [
        max(speeds) / min(speeds) - 1
        for row in rows
        for speeds in (row[f"words_per_second_{batch}_rounds"] for batch in BATCHES)
    ]
    return (
        f"words/s: read one by one by {' and by '.join(map(str, BATCHES))} texts, "
        f"{rows[0]['threads']} CPU thread(s); the median of {ROUNDS} rounds over all methods, "
        f"which differ by {100 * statistics.median(spreads):.0f}% (median of the rows) and at "
        f"most {100 * max(spreads):.0f}%"
    )


def as_markdown(rows: List[Row]) -> str:
    head, *rest = ([_escaped(cell) for cell in line] for line in cells(rows))
    lines = [head, ["---", *["---:"] * (len(head) - 2), "---"], *rest]
    text = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    return f"{text}\n{about_speeds(rows)}\n"


def _escaped(cell: str) -> str:
    """A text as Markdown has it: no markup of its own, nor HTML."""
    return re.sub(r"([\\|`*\[\]])", r"\\\1", html.escape(printable(cell), quote=False))
