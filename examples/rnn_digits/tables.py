"""The results as Markdown."""

from typing import Iterable, List

from cells import GATES
from claim import Claim
from summary import Summary, percent, spread

#: How ``verdict`` is reached, where a criterion does not say it.
RULE = (
    '"More", "larger" and "smaller" are by more than two standard errors over the seeds; blocks '
    "(claims 5 and 6) are judged in the networks of one layer."
)


def markdown(rows: Iterable[Iterable[str]]) -> str:
    """A table; the first row is its head."""
    head, *rest = [list(row) for row in rows]
    lines = [head, ["---"] * len(head), *rest]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def results(s: Summary, claims: List[Claim]) -> str:
    """All tables, with their titles."""
    tables = [("Claims", f"{claims_table(claims)}\n\n{RULE}")]
    for way, title in (("pruned", "Pruned"), ("retrained", "Pruned and retrained")):
        if s.sparsities(way):
            tables.append((f"{title}: test accuracy", accuracy_table(s, way)))
    at = s.blocks_at()
    if at:
        title = f"Share of each block that is pruned, networks {at[0]} at {percent(at[1])}"
        tables.append((title, block_table(s)))
    return "\n\n".join(f"## {title}\n\n{table}" for title, table in tables) + "\n"


def claims_table(claims: List[Claim]) -> str:
    head = ("", "claim", "reproduced if", "here", "verdict")
    return markdown([head, *claims])


def accuracy_table(s: Summary, way: str) -> str:
    """Mean and standard deviation over seeds, in percent."""
    sparsities = s.sparsities(way)
    rows = [["network", "weights", "dense", *map(percent, sparsities)]]
    for net in s.nets:
        columns = [s.dense(net), *(s.accuracy(net, way, x) for x in sparsities)]
        rows.append([str(net), f"{s.weights(net):,}", *map(spread, columns)])
    return markdown(rows)


def block_table(s: Summary) -> str:
    rows = [["network", "layer", "gate", "input-to-hidden", "hidden-to-hidden"]]
    for net in s.nets:
        shares = s.shares(net, *s.blocks_at())
        for layer, gate, side in shares:
            if side == "input":
                both = (shares[layer, gate, other] for other in ("input", "hidden"))
                name = f"{gate} {GATES[net.cell][gate]}".strip()
                rows.append([str(net), str(layer), name, *(f"{spread(x)}%" for x in both)])
    return markdown(rows)
