"""What was pruned, as a table for people."""

from typing import Iterable, List

from ..pruning import Pruned


def describe(result: Pruned) -> str:
    """The counts, sparsity, threshold and magnitudes of a pruning, by weight class."""
    threshold = ", ".join(
        f"{ranking}: {value:.6g}" if ranking else f"{value:.6g}"
        for ranking, value in result.threshold.items()
    )
    head = (
        f"pruned {result.pruned:,} of {result.weights:,} weights "
        f"({100 * result.sparsity:.2f}%), {result.scheme}, threshold {threshold}"
    )
    rows = [("weight class", "weights", "pruned", "sparsity", "mean |w|", "largest pruned", "largest")]
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
    return "\n".join([head, *table(rows)])


def table(rows: Iterable[Iterable[str]]) -> List[str]:
    """Lines of a table: the first column to the left, the others to the right."""
    rows = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
