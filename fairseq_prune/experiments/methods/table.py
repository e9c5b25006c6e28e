"""Rows of compared methods, for people."""

from typing import List

from ...pruning import table
from .score import BATCHES, Row

HEAD = (
    "method",
    "parameters",
    "bytes",
    "of dense",
    "valid",
    "test",
    *(f"words/s, {batch}" for batch in BATCHES),
    "runtime",
)


def cells(rows: List[Row]) -> List[List[str]]:
    """Text of each row under ``HEAD``; shares are of the first."""
    return [
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
    return "\n".join(table([HEAD, *cells(rows)]))


def as_markdown(rows: List[Row]) -> str:
    lines = [HEAD, ["---", *["---:"] * (len(HEAD) - 2), "---"], *cells(rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
