"""What was pruned, as a table for people."""

from typing import Iterable, List, Mapping

from ..printable import printable
from .pruned import Pruned
from .schemes import score_name


def summary(result: Pruned) -> str:
    """The counts, sparsity and threshold of a pruning, in a line."""
    parts = [
        f"pruned {result.pruned:,} of {result.weights:,} weights ({100 * result.sparsity:.2f}%)",
        result.scheme,
        "" if result.score == score_name(result.scheme) else f"by {result.score}",
        thresholds(result.threshold),
    ]
    return printable(", ".join(filter(None, parts)))


def describe(result: Pruned) -> str:
    """The summary of a pruning, and the counts and magnitudes of each weight class."""
    rows = [
        ("weight class", "weights", "pruned", "sparsity", "mean |w|", "largest pruned", "largest")
    ]
    for c in result.classes:
        rows.append(
            (
                c.name,
                f"{c.weights:,}",
                f"{c.pruned:,}",
                f"{100 * c.sparsity:.2f}%",
                f"{c.mean_magnitude:.5f}",
                "-" if c.largest_pruned is None else f"{c.largest_pruned:.5f}",
                f"{c.largest:.5f}",
            )
        )
    return "\n".join([summary(result), *table(rows)])


def thresholds(by_ranking: Mapping[str, float]) -> str:
    """The threshold in words, if known; with a ranking for each class, each has its own."""
    if len(by_ranking) > 1:
        low, high = min(by_ranking.values()), max(by_ranking.values())
        return f"thresholds {low:.6g} to {high:.6g} by class"
    return "".join(f"threshold {value:.6g}" for value in by_ranking.values())


def table(rows: Iterable[Iterable[str]]) -> List[str]:
    """Lines of a table: the first column to the left, the others to the right."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
